"""Grids of images as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from gan_lab.media.images import enlarged, to_uint8
from gan_lab.media.pictures import save_picture
from gan_lab.media.points import drawn
from gan_lab.storage.files import whole_file

if TYPE_CHECKING:
    from PIL import Image


def save_grid(images: Tensor, path: Path, *, columns: int | None = None, scale: int = 1) -> None:
    """Save images (N, C, H, W) in [-1, 1] as one picture with a two-pixel gap.

    Args:
        images: 1 or 3 channels; points are one picture.
        path: a PNG file, or of another suffix that Pillow writes; its folder is made.
        columns: images per row; by default the grid is nearly square.
        scale: how many times larger each image is drawn, a whole number.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".png":
        write_png(_pixels(images, columns, scale), path)
    else:
        save_picture(picture_of(images, columns=columns, scale=scale), path)


def picture_of(images: Tensor, *, columns: int | None = None, scale: int = 1) -> Image.Image:
    """The same grid as a picture in colours; a single image has no gap around it."""
    from PIL import Image

    return Image.fromarray(_pixels(images, columns, scale).permute(1, 2, 0).numpy())


def columns_of(count: int) -> int:
    """Images per row that make a grid of so many nearly square."""
    return max(1, round(count**0.5))


def _pixels(images: Tensor, columns: int | None, scale: int) -> Tensor:
    from torchvision.utils import make_grid

    images = drawn(images)
    columns = columns or columns_of(len(images))
    pixels = enlarged(to_uint8(images).cpu(), scale)
    return make_grid(pixels, nrow=columns, padding=2, pad_value=255)


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
