"""What a person asks of samples: classes, codes, shared latents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Ask = Mapping[str, Sequence[int]]
NOTHING: Ask = {}


def asked(ask: Ask, name: str, indices: Sequence[int]) -> list[int] | None:
    """The values that samples of these indices shall have, None where nobody asked.

    Args:
        ask: values for the samples 0, 1, 2, ..., which begin again behind the last.
        name: of the question.
        indices: of the samples.
    """
    values = ask.get(name)
    return None if not values else [values[index % len(values)] for index in indices]


@dataclass(frozen=True)
class Shown:
    """Samples that belong into one picture.

    Attributes:
        count: how many.
        columns: per row; None for a nearly square grid.
        ask: what is asked of them.
    """

    count: int
    columns: int | None = None
    ask: Ask = field(default_factory=dict)


def rows_of(name: str, values: Sequence[int], columns: int) -> Shown:
    """One row for each value of a question, with the same latents in each row, so that only the value differs."""
    return Shown(
        len(values) * columns,
        columns,
        {
            name: [value for value in values for _ in range(columns)],
            "latents": list(range(columns)),
        },
    )
