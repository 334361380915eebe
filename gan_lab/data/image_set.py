"""A decoded set of images, whatever it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor

from gan_lab.data.columns import Column, Pixels
from gan_lab.data.table import Table

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
class ImageSet(Table):
    """One split of a data set, decoded to bytes of one size: the columns `images`, `labels` and what stands beside.

    Attributes:
        name: the data set, as in `data=celeba`.
        split: "train", "test", ...
        images: uint8, shape (N, C, H, W), in memory or a read-only memory map of the cache: never
            write to it.
        labels: classes, int64 (N,), -1 where one is unknown; or attributes, float32 (N, A) in {0, 1}; or None.
        classes: names of the classes or attributes; empty where there are none.
        fingerprint: hash of the pixels and labels, so the same images have the same one wherever
            they lie.
        notes: sentences for the user, such as "3,600 of CelebA's 162,770 train images are here."
        beside: more columns by name, such as the partner of each image.
    """

    name: str
    split: str
    images: Tensor
    labels: Tensor | None
    classes: tuple[str, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()
    beside: Mapping[str, Column] = field(default_factory=dict)

    records = "images"

    @property
    def columns(self) -> Mapping[str, Column]:
        """The columns by name."""
        labels = {} if self.labels is None else {"labels": Column(self.labels)}
        return {"images": Pixels(self.images), **labels, **self.beside}

    def of_rows(self, rows: Tensor, fingerprint: str, notes: tuple[str, ...]) -> ImageSet:
        """The same set with these rows alone, int64 (n,)."""
        beside = {
            k: replace(column, values=column.values[rows]) for k, column in self.beside.items()
        }
        labels = None if self.labels is None else self.labels[rows]
        return replace(
            self,
            images=self.images[rows],
            labels=labels,
            beside=beside,
            fingerprint=fingerprint,
            notes=notes,
        )

    def sentences(self) -> list[str]:
        """Return what is to be said of the set at every start: number, size, classes with counts, notes."""
        channels, height, width = self.images.shape[1:]
        kind = "grey" if channels == 1 else "colour"
        told = [
            f"{self.name} ({self.split}): {len(self):,} images, {width}x{height} pixels, {kind}"
        ]
        if self.labels is not None and self.classes:
            told.append(_labels(self.labels, self.classes))
        return [*told, *self.notes]


def _labels(labels: Tensor, names: tuple[str, ...]) -> str:
    """How often each class or attribute occurs."""
    if labels.ndim == 2:
        counts = labels.sum(dim=0).int().tolist()
        shown = ", ".join(f"{name} ({count:,})" for name, count in zip(names, counts, strict=True))
        return f"{len(names)} attributes: {shown}."
    known = labels[labels >= 0]
    counts = known.bincount(minlength=len(names)).tolist()
    told = _classes(list(zip(names, counts, strict=True)))
    if len(known) == len(labels):
        return told
    return f"Only {len(known):,} of {len(labels):,} images have a label. {told}"


def _classes(counts: list[tuple[str, int]]) -> str:
    shown = ", ".join(f"{name} ({count:,})" for name, count in counts[:SHOWN])
    if len(counts) <= SHOWN:
        return f"{len(counts)} classes: {shown}."
    numbers = [count for _, count in counts]
    return (
        f"{len(counts):,} classes of {min(numbers):,} to {max(numbers):,} images: {shown} and "
        f"{len(counts) - SHOWN:,} more."
    )
