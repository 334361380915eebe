"""What the run folder shows of samples, by what a game makes: a grid of images, or lines of text."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from gan_lab.engine.asking import Shown
from gan_lab.media.grids import columns_of
from gan_lab.media.lines import lines_of, save_lines
from gan_lab.media.points import are_points
from gan_lab.media.run_grids import save_reals, save_run_grid


class Artefact(Protocol):
    """A kind of file that shows samples.

    Attributes:
        suffix: of its files.
        name: what it is called in sentences.
        picture: whether trackers can show it as a picture.
    """

    suffix: str
    name: str
    picture: bool

    def save_reals(self, path: Path, *, num: int) -> None:
        """Show at most so many reals."""

    def save(self, samples: Tensor, path: Path, *, kimg: float, shown: Shown) -> None:
        """Show samples after so many thousand reals."""


class Grids:
    """Images below a row of reals, as PNG.

    Args:
        game: says how many columns a grid has.
        data: the training split; reals are spread evenly over it.
        num: samples of a grid.
    """

    suffix, name, picture = ".png", "a grid of samples", True

    def __init__(self, game: Any, data: Any, num: int) -> None:
        self.images = data.images
        shown = game.picture(num)
        row = num if are_points(self.images) else shown.columns or columns_of(shown.count)
        self.row = spread(self.images, row)

    def save_reals(self, path: Path, *, num: int) -> None:
        """Show at most so many reals."""
        save_reals(spread(self.images, num), path)

    def save(self, samples: Tensor, path: Path, *, kimg: float, shown: Shown) -> None:
        """Show images (N, C, H, W) in [-1, 1]."""
        save_run_grid(samples, self.row, path, kimg=kimg, columns=shown.columns)


class Lines:
    """Sequences of tokens, a line for each, as a text file.

    Args:
        game: says what its tokens spell (`spelling`).
        data: the training split; reals are spread evenly over it.
        num: samples of a file.
    """

    suffix, name, picture = ".txt", "lines of samples", False

    def __init__(self, game: Any, data: Any, num: int) -> None:
        del num
        self.spelling = game.spelling
        self.tokens = data.columns["tokens"].values

    def save_reals(self, path: Path, *, num: int) -> None:
        """Show at most so many reals."""
        save_lines(lines_of(self.tokens[places(len(self.tokens), num)], **self.spelling), path)

    def save(self, samples: Tensor, path: Path, *, kimg: float, shown: Shown) -> None:
        """Show tokens int64 (N, L)."""
        del kimg, shown
        save_lines(lines_of(samples, **self.spelling), path)


KINDS: dict[str, type[Grids] | type[Lines]] = {"images": Grids, "text": Lines}


def spread(images: Tensor, count: int) -> Tensor:
    """At most so many of a set's images, evenly over it: where it is sorted by class, all classes are among them.

    Args:
        images: uint8 (N, C, H, W), or float in [-1, 1].
        count: how many.

    Returns:
        (M, C, H, W) in [-1, 1].
    """
    found = images[places(len(images), count)]
    return found if found.is_floating_point() else found.float() / 127.5 - 1


def places(length: int, count: int) -> list[int]:
    """At most `count` places, evenly over a length."""
    count = min(count, length)
    return [index * length // count for index in range(count)]
