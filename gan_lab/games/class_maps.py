"""Class maps in games: planes that networks read, and colours that people see."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_lab.common.class_maps import UNLABELLED


def planes_of(maps: Tensor, classes: int) -> Tensor:
    """A plane for each class: 1 where it is, 0 beside; nowhere 1 where no class is known.

    Args:
        maps: uint8 (N, 1, H, W), classes or `UNLABELLED`.
        classes: their number K.

    Returns:
        float32 (N, K, H, W).
    """
    numbers = torch.arange(classes, device=maps.device).view(1, -1, 1, 1)
    return (maps == numbers).float()


def maps_of(planes: Tensor) -> Tensor:
    """The class of the largest plane of (N, K, H, W), and `UNLABELLED` where all are 0: uint8 (N, 1, H, W)."""
    found = planes.argmax(dim=1, keepdim=True)
    return torch.where(planes.any(dim=1, keepdim=True), found, UNLABELLED).to(torch.uint8)


def as_images(maps: Tensor) -> Tensor:
    """Maps, uint8 (N, 1, H, W), as images of their numbers: float32 in [-1, 1]."""
    return maps.float() / 127.5 - 1


def from_images(images: Tensor) -> Tensor:
    """Maps, uint8 (N, 1, H, W), of images (N, 1, H, W) in [-1, 1] whose bytes are their numbers."""
    return ((images + 1) * 127.5).round().to(torch.uint8)


def coloured(maps: Tensor) -> Tensor:
    """Maps, uint8 (N, 1, H, W), in the colours of `palette`: float32 (N, 3, H, W) in [-1, 1]."""
    return palette(maps.device)[maps[:, 0].long()].movedim(-1, 1) / 127.5 - 1


def palette(device: torch.device | None = None) -> Tensor:
    """Colours of 256 numbers, float32 (256, 3) in [0, 255]: those of PASCAL VOC (2010), black for 0.

    Bits of a number, three at a time from the lowest, become bits of red, green and blue from the highest, so numbers
    near each other look different. 255, which stands for no class, is nearly white.
    """
    numbers = torch.arange(256, device=device)
    colours = torch.zeros(256, 3, device=device)
    for place in range(8):
        for channel in range(3):
            bit = numbers >> (3 * place + channel) & 1
            colours[:, channel] += (bit << (7 - place)).float()
    return colours
