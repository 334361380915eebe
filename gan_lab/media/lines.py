"""Text as lines of a file: what a grid is for images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gan_lab.storage.files import whole_file

if TYPE_CHECKING:
    from torch import Tensor

# A token may be a line break, which would make two lines of one sample.
ESCAPED = str.maketrans({"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"})


def lines_of(
    tokens: Tensor,
    *,
    vocabulary: Sequence[str] | None = None,
    joint: str = " ",
    silent: int | None = None,
) -> list[str]:
    """Sequences of tokens as people read them.

    Args:
        tokens: int64 (N, L).
        vocabulary: what each token spells; None where tokens are numbers that mean nothing.
        joint: what stands between tokens: nothing between characters, a space between words.
        silent: a token that spells nothing, such as padding.
    """
    spelled = []
    for row in tokens.tolist():
        heard = [token for token in row if token != silent]
        words = map(str, heard) if vocabulary is None else (vocabulary[token] for token in heard)
        spelled.append(joint.join(words))
    return spelled


def save_lines(lines: Sequence[str], path: Path) -> None:
    """Save one line for each sample; breaks inside a sample are escaped.

    Raises:
        OSError: where the disk refuses.
    """
    with whole_file(path) as file:
        file.write("".join(f"{line.translate(ESCAPED)}\n" for line in lines).encode())
