"""MNIST twice: as it is, with labels, and changed in colour, without: for learning across the difference."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from gan_lab.common.ranges import one_of
from gan_lab.data.facts import Facts, image_facts
from gan_lab.data.image_set import ImageSet
from gan_lab.data.sets.mnist import Mnist
from gan_lab.data.table import SideBySide

SHIFTS = ("inverted", "coloured")
SEED = 161205424  # of the colours: they belong to the data, whatever a run's seed is
WHITE = 255
DARK = 64  # values of a channel that count as dark, and as many as bright: a digit can be read on any ground
PART = 4096  # images coloured at once


@dataclass(kw_only=True, eq=False)
class MnistShifted:
    """Digits as a source with labels, and other digits that look otherwise as a target without.

    Rows of even numbers are the source, in three equal channels: `images_a` and `labels_a` of a batch. Those of odd
    numbers are the target, `images_b`. So no digit is in both. The test split has `labels_b` too, to measure with.

    A target is its digit inverted, or coloured: on a ground of one colour whose channels are each dark or bright, and
    in the opposite colour. The colour of a row depends on the row alone. MNIST-M (arXiv:1409.7495, section 4), which
    papers take as a target, is made of photographs too, and these do not come with MNIST.

    Args:
        root: as for `data=mnist`.
        resolution: as for `data=mnist`.
        shift: what is done to targets: "inverted" or "coloured".
        flip: mirror half of the images; digits have a left and a right, so not by default.
    """

    name: ClassVar[str] = "mnist_shifted"
    channels: ClassVar[int] = 3
    splits: ClassVar[tuple[str, ...]] = Mnist.splits
    classes: ClassVar[tuple[str, ...]] = Mnist.classes

    root: str | None = None
    resolution: int = 32
    shift: str = "coloured"
    flip: bool = False

    def __post_init__(self) -> None:
        one_of("data.shift", self.shift, SHIFTS)
        self.digits = Mnist(root=self.root, resolution=self.resolution)

    @property
    def facts(self) -> Facts:
        """Resolution, channels, classes and columns."""
        return image_facts(
            resolution=self.resolution,
            channels=self.channels,
            classes=lambda: self.classes,
            columns=("images_a", "labels_a", "images_b"),
        )

    def load(self, split: str) -> SideBySide:
        """Make both kinds of a split of the files of MNIST.

        Raises:
            DataError: if the files are missing or damaged.
        """
        digits = self.digits.load(split)
        rows = torch.arange(len(digits))
        source = self._kind(digits, "a", rows[::2])
        target = self._kind(digits, "b", rows[1::2])
        if split == self.splits[0]:
            target = replace(target, labels=None, classes=())
        told = "The second kind has no labels in training. No digit is in both kinds."
        return SideBySide(self.name, split, {"a": source, "b": target}, (told,), self.classes)

    def _kind(self, digits: ImageSet, kind: str, rows: Tensor) -> ImageSet:
        """The digits of these rows (N,) as the source "a" or the target "b"."""
        assert digits.labels is not None, "MNIST has labels"
        shift = self.shift if kind == "b" else "none"
        told = f"{digits.fingerprint} {kind} {shift}"
        return ImageSet(
            name=self.name,
            split=f"{digits.split}{kind.upper()}",
            images=shifted(digits.images[rows], rows, shift),
            labels=digits.labels[rows],
            classes=self.classes,
            fingerprint=hashlib.sha256(told.encode()).hexdigest()[:16],
            notes=digits.notes,
        )


def shifted(digits: Tensor, rows: Tensor, shift: str) -> Tensor:
    """Grey digits in three channels, with the colours of another kind.

    Args:
        digits: uint8 (N, 1, H, W).
        rows: their numbers (N,) in the files, on which their colours depend.
        shift: "none", "inverted" or "coloured".

    Returns:
        uint8 (N, 3, H, W).
    """
    if shift == "coloured":
        parts = zip(digits.split(PART), grounds(rows).split(PART), strict=True)
        return torch.cat([_on_ground(one, ground) for one, ground in parts])
    seen = WHITE - digits if shift == "inverted" else digits
    return seen.repeat(1, 3, 1, 1)


def grounds(rows: Tensor) -> Tensor:
    """The colours of the grounds of rows (N,): int32 (N, 3), each value in [0, 63] or [192, 255]."""
    generator = torch.Generator().manual_seed(SEED)
    # Colours of all rows up to the last, so that a row's are the same whichever others are asked for.
    drawn = torch.randint(2 * DARK, (int(rows.max()) + 1, 3), generator=generator)[rows]
    return torch.where(drawn < DARK, drawn, WHITE - drawn + DARK).int()


def _on_ground(digits: Tensor, ground: Tensor) -> Tensor:
    """Digits (n, 1, H, W) in the opposite colour of their grounds (n, 3): uint8 (n, 3, H, W)."""
    ground = ground[:, :, None, None]
    return (ground + (WHITE - 2 * ground) * digits / WHITE).round().byte()
