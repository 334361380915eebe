"""A decoded set of images, whatever it was made from."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

SHOWN = 12  # classes named in a sentence


@dataclass(frozen=True)
class About:
    """What is known of a split before an image of it is decoded.

    Attributes:
        name: the data set, as in `data=celeba`.
        split: "train", "test", ...
        classes: names of the labels; empty where there are none.
        notes: sentences about the source.
    """

    name: str
    split: str
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class ImageSet:
    """One split of a data set, decoded to bytes of one size.

    Attributes:
        name: the data set, as in `data=celeba`.
        split: "train", "test", ...
        images: uint8, shape (N, C, H, W), in memory or a read-only memory map of the cache: never
            write to it.
        labels: int64, shape (N,), likewise, or None.
        classes: names of the labels; empty where there are none.
        fingerprint: hash of the pixels and labels, so the same images have the same one wherever
            they lie.
        notes: sentences for the user, such as "3,600 of CelebA's 162,770 train images are here."
    """

    name: str
    split: str
    images: Tensor
    labels: Tensor | None
    classes: tuple[str, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """Return what is to be said of the set at every start: number, size, classes with counts, notes."""
        channels, height, width = self.images.shape[1:]
        kind = "grey" if channels == 1 else "colour"
        told = [
            f"{self.name} ({self.split}): {len(self):,} images, {width}x{height} pixels, {kind}"
        ]
        if self.labels is not None and self.classes:
            counts = self.labels.bincount(minlength=len(self.classes)).tolist()
            told.append(_classes(list(zip(self.classes, counts, strict=True))))
        return [*told, *self.notes]

    def __len__(self) -> int:
        """Return the number of images."""
        return self.images.shape[0]


def _classes(counts: list[tuple[str, int]]) -> str:
    shown = ", ".join(f"{name} ({count:,})" for name, count in counts[:SHOWN])
    if len(counts) <= SHOWN:
        return f"{len(counts)} classes: {shown}."
    numbers = [count for _, count in counts]
    return (
        f"{len(counts):,} classes of {min(numbers):,} to {max(numbers):,} images: {shown} and "
        f"{len(counts) - SHOWN:,} more."
    )
