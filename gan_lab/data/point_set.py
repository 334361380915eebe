"""A set of points of a plane, whatever law they follow."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from gan_lab.data.columns import Column
from gan_lab.data.table import Table


@dataclass(frozen=True, eq=False)
class PointSet(Table):
    """One split of a law of points: images of one pixel, whose two channels are x and y.

    So every game of images plays with points, by networks that take images of any size, such as perceptrons.

    Attributes:
        name: the data set, as in `data=gaussians`.
        split: "train", "test", ...
        images: float32 (N, 2, 1, 1) in [-1, 1].
        fingerprint: hash of the points, so the same have the same one wherever they are made.
        notes: sentences for the user.
        labels: none.
        classes: none.
    """

    name: str
    split: str
    images: Tensor
    fingerprint: str
    notes: tuple[str, ...] = ()
    labels: None = None
    classes: tuple[str, ...] = ()

    records = "points"

    @property
    def columns(self) -> Mapping[str, Column]:
        """The points, read as they are."""
        return {"images": Column(self.images)}

    def of_rows(self, rows: Tensor, fingerprint: str, notes: tuple[str, ...]) -> PointSet:
        """The same set with these points alone, int64 (n,)."""
        return replace(self, images=self.images[rows], fingerprint=fingerprint, notes=notes)


def point_set(name: str, split: str, points: Tensor) -> PointSet:
    """Points (N, 2) in [-1, 1] as a set."""
    digest = hashlib.sha256(points.numpy().tobytes()).hexdigest()[:16]
    return PointSet(name, split, points[:, :, None, None], digest)
