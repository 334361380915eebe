"""Bringing images to one size: crop, pad, resize."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def centre_square(image: Tensor) -> Tensor:
    """Crop (C, H, W) to the centre square of its short side; 218 rows x 178 keep rows 20 to 197."""
    height, width = image.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[..., top : top + side, left : left + side]


def resize(images: Tensor, resolution: int) -> Tensor:
    """Resize squares, bilinear with antialias as in Pillow (within one level).

    Args:
        images: uint8, shape (N, C, S, S).
        resolution: the wanted side; larger than S enlarges.

    Returns:
        uint8, shape (N, C, resolution, resolution).
    """
    if images.shape[-1] == resolution:
        return images
    size = (resolution, resolution)
    return F.interpolate(images, size=size, mode="bilinear", antialias=True)


def fit(squares: Sequence[Tensor], resolution: int) -> Tensor:
    """Resize squares of one size together: half of the cost of one is that of the call.

    Args:
        squares: uint8, shape (C, S, S) each, such as `centre_square` returns.
        resolution: the wanted side.

    Returns:
        uint8, shape (N, C, resolution, resolution).
    """
    # Decoders put a pixel's colours side by side; copied and resized so, it is twice as fast.
    pixels = torch.cat([square.permute(1, 2, 0)[None] for square in squares])
    return resize(pixels.permute(0, 3, 1, 2), resolution)


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
