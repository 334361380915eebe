"""Several streams of batches as one: each in its own order, all of one batch size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from gan_lab.data.stream.sampler import Batches
from gan_lab.data.table import SideBySide, Table


class Together:
    """Batches that hold the rows of several streams, each under names of its own.

    A stream's order comes from (seed, its name, epoch), whatever runs beside it. Epochs end where each stream's own
    rows end, so streams of different sizes never meet in the same way twice.

    Args:
        tables: the streams.
        settings: of each, as `Batches` takes them.
    """

    def __init__(self, tables: SideBySide, **settings: Any) -> None:
        self.streams = [
            Batches(table, stream=name, **settings) for name, table in tables.tables.items()
        ]

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """Yield batches for ever, beginning at `start`."""
        for parts in zip(*self.streams, strict=True):
            yield {name: values for part in parts for name, values in part.items()}


def batches_of(data: Table | SideBySide, **settings: Any) -> Batches | Together:
    """The endless batches of a set, or of several side by side; settings as `Batches` takes them."""
    if isinstance(data, SideBySide):
        return Together(data, **settings)
    return Batches(data, **settings)
