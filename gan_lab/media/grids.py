"""Grids of images as PNG files."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from gan_lab.media.images import to_uint8
from gan_lab.storage.files import whole_file


def save_grid(images: Tensor, path: Path, *, columns: int | None = None) -> None:
    """Save images (N, C, H, W) in [-1, 1] as one PNG with a two-pixel gap.

    Args:
        images: 1 or 3 channels.
        path: the PNG file; its folder is made.
        columns: images per row; by default the grid is nearly square.
    """
    from torchvision.utils import make_grid

    columns = columns or max(1, round(len(images) ** 0.5))
    path.parent.mkdir(parents=True, exist_ok=True)
    grid = make_grid(to_uint8(images).cpu(), nrow=columns, padding=2, pad_value=255)
    write_png(grid, path)


def write_png(pixels: Tensor, path: Path) -> None:
    """Write bytes (C, H, W) as a PNG file, whole or not at all.

    torchvision's own write_png says nothing on a full disk and leaves a truncated file.

    Raises:
        OSError: where the disk refuses.
    """
    from torchvision.io import encode_png

    data = encode_png(pixels.cpu()).numpy().tobytes()
    with whole_file(path) as file:
        file.write(data)
