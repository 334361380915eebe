"""Columns of a table: how stored values become what networks read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from gan_lab.data.pixels import HostPixels, finished

Read = Callable[[Tensor, Tensor | None], Tensor]
Kind = TypeVar("Kind", bound="Column")


@dataclass(frozen=True, eq=False)
class Column:
    """Values that are read as they are stored: classes, attributes, tokens.

    Attributes:
        values: shape (N, ...), one row for each record; in memory or a read-only memory map: never write to it.
    """

    values: Tensor
    # How places between pixels are found where images are cut at random; None for what is no image.
    between: ClassVar[str | None] = None

    def to(self: Kind, device: torch.device) -> Kind:
        """The same column with its values on a device."""
        return replace(self, values=self.values.to(device))

    def reader(self, count: int) -> Read:
        """What makes batches on the CPU.

        Args:
            count: rows per batch.

        Returns:
            A function of the rows' indices (count,) and of flags (count,) of what is mirrored, or None.
        """
        del count
        return lambda rows, _: torch.index_select(self.values, 0, rows)

    def finished(self, gathered: Tensor, mirrored: Tensor | None) -> Tensor:
        """Rows (n, ...) as networks read them, made on the device that holds them."""
        del mirrored
        return gathered


@dataclass(frozen=True, eq=False)
class Pixels(Column):
    """Images, uint8 (N, C, H, W): read as float32 in [-1, 1], mirrored where the stream says so.

    Columns of one table are mirrored together, so that pairs stay pairs.
    """

    between: ClassVar[str | None] = "bilinear"

    def reader(self, count: int) -> Read:
        """What gathers, mirrors and scales on the CPU."""
        return HostPixels(self.values, count).read

    def finished(self, gathered: Tensor, mirrored: Tensor | None) -> Tensor:
        """Bytes (n, C, H, W) mirrored and scaled, on the device that holds them."""
        return finished(gathered, mirrored)


@dataclass(frozen=True, eq=False)
class ClassMaps(Column):
    """Numbers of classes, uint8 (N, 1, H, W): read as they are, mirrored together with the images of their table."""

    between: ClassVar[str | None] = "nearest-exact"

    def reader(self, count: int) -> Read:
        """What gathers and mirrors on the CPU."""
        gather = super().reader(count)
        return lambda rows, mirrored: self.finished(gather(rows, None), mirrored)

    def finished(self, gathered: Tensor, mirrored: Tensor | None) -> Tensor:
        """Numbers (n, 1, H, W), mirrored, on the device that holds them."""
        if mirrored is None:
            return gathered
        return torch.where(mirrored.view(-1, 1, 1, 1), gathered.flip(3), gathered)
