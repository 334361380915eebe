"""Bringing images to one size: crop, pad, resize."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

CROPS = ("center", "fit", "none")
HALVES = ("left", "right")  # of a picture that holds two images beside each other
WHITE = 255  # beside a whole image: the colour that transparent pixels are laid on; beside a class map: unlabelled


def centre_square(image: Tensor) -> Tensor:
    """Crop (C, H, W) to the centre square of its short side; 218 rows x 178 keep rows 20 to 197."""
    height, width = image.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[..., top : top + side, left : left + side]


def resize(images: Tensor, resolution: int, *, numbers: bool = False) -> Tensor:
    """Resize to squares, bilinear with antialias as in Pillow (within one level).

    Args:
        images: uint8, shape (N, C, H, W); other shapes than squares are squeezed.
        resolution: the wanted side; larger than the images' enlarges.
        numbers: whether pixels are numbers of classes, which are never mixed: the nearest is taken.

    Returns:
        uint8, shape (N, C, resolution, resolution).
    """
    return _resize(images, (resolution, resolution), numbers)


def whole(images: Tensor, resolution: int, *, numbers: bool = False) -> Tensor:
    """Resize until the long side fits, and lay the whole images on the middle of white squares.

    Args:
        images: uint8, shape (N, C, H, W).
        resolution: the wanted side.
        numbers: as for `resize`; what is laid beside numbers of classes says that none is known.

    Returns:
        uint8, shape (N, C, resolution, resolution).
    """
    # Resized before they are padded: the square around a long strip may not fit into memory.
    height, width = (
        max(1, round(side * resolution / max(images.shape[-2:]))) for side in images.shape[-2:]
    )
    small = _resize(images, (height, width), numbers)
    left, top = (resolution - width) // 2, (resolution - height) // 2
    frame = (left, resolution - width - left, top, resolution - height - top)
    return F.pad(small, frame, value=WHITE)


def taken(image: Tensor, crop: str) -> Tensor:
    """The part of an image (C, H, W) that a crop of `CROPS` or `HALVES` keeps."""
    if crop in HALVES:
        middle = image.shape[-1] // 2
        return image[..., :middle] if crop == "left" else image[..., -middle:]
    return centre_square(image) if crop == "center" else image


def is_enlarged(image: Tensor, resolution: int, *, crop: str) -> bool:
    """Whether what `taken` returned has fewer pixels, in one direction at least, than it will have."""
    sides = image.shape[-2:]
    return bool((max(sides) if crop == "fit" else min(sides)) < resolution)


def fit(
    images: Sequence[Tensor], resolution: int, *, crop: str = "center", numbers: bool = False
) -> Tensor:
    """Bring images of one size to squares together: half of the cost of one is that of the call.

    Args:
        images: uint8, shape (C, H, W) each, such as `taken` returns.
        resolution: the wanted side.
        crop: "fit" pads what is not square, any other squeezes it.
        numbers: as for `resize`.

    Returns:
        uint8, shape (N, C, resolution, resolution).
    """
    # Decoders put a pixel's colours side by side; copied and resized so, it is twice as fast.
    pixels = torch.cat([image.permute(1, 2, 0)[None] for image in images]).permute(0, 3, 1, 2)
    bring = whole if crop == "fit" else resize
    return bring(pixels, resolution, numbers=numbers)


def _resize(images: Tensor, size: tuple[int, int], numbers: bool) -> Tensor:
    if images.shape[-2:] == size:
        return images
    if numbers:
        return F.interpolate(images, size=size, mode="nearest-exact")
    return F.interpolate(images, size=size, mode="bilinear", antialias=True)


def pad_to_32(images: Tensor) -> Tensor:
    """Frame 28 x 28 digits with two black pixels: 32 can be made by doubling."""
    return F.pad(images, (2, 2, 2, 2), value=0)


def fit_digits(images: Tensor, resolution: int) -> Tensor:
    """Bring 28 x 28 digits to a resolution: 28 is raw, 32 padded, any other padded, then resized.

    Args:
        images: uint8, shape (N, 1, 28, 28).
        resolution: the wanted side.

    Returns:
        uint8, shape (N, 1, resolution, resolution).
    """
    if resolution == images.shape[-1]:
        return images
    return torch.cat([resize(pad_to_32(part), resolution) for part in images.split(4096)])
