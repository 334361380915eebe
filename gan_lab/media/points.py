"""Points of a plane as a picture: all in one, where images would stand side by side."""

from __future__ import annotations

import torch
from torch import Tensor

SIDE, DOT = 256, 2  # pixels of the picture, and of a point
DARKEST = 4  # points in one place that are black


def are_points(images: Tensor) -> bool:
    """Whether images (N, C, H, W) are points: one pixel of two channels, which is no picture."""
    return images.shape[1:] == (2, 1, 1)


def drawn(images: Tensor) -> Tensor:
    """Images as they are; points (N, 2, 1, 1) in [-1, 1] as one grey picture (1, 1, 256, 256), y upward."""
    if not are_points(images):
        return images
    place = ((images.float().cpu().flatten(1) + 1) / 2 * (SIDE - DOT)).round()
    x, y = place.clamp(0, SIDE - DOT).long().unbind(dim=1)
    rows = SIDE - DOT - y
    counts = torch.zeros(SIDE, SIDE)
    for down in range(DOT):
        for right in range(DOT):
            counts.index_put_((rows + down, x + right), torch.ones(len(x)), accumulate=True)
    return 1 - 2 * (counts / DARKEST).clamp(max=1)[None, None]
