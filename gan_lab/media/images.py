"""Pixels of generated images: the one way from a network's range to bytes."""

from __future__ import annotations

import torch
from torch import Tensor


def to_uint8(images: Tensor) -> Tensor:
    """Turn images in [-1, 1] into bytes, rounding to the nearest level.

    round((x + 1) * 127.5), clamped. Rounding, not truncation: truncating shifts every pixel by half
    a level and turns 0.9999 into 254; without the clamp 1.004 would wrap around to 0.

    Args:
        images: any shape, floating point, meant to lie in [-1, 1]; values beyond are clamped.

    Returns:
        The same shape, uint8. The inverse of how `data.sampler.Batches` scales: all 256 levels come
        back.
    """
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def enlarged(images: Tensor, scale: int) -> Tensor:
    """Images (..., H, W) with each pixel `scale` times as wide and high; their sharp edges stay."""
    if scale == 1:
        return images
    return images.repeat_interleave(scale, dim=-1).repeat_interleave(scale, dim=-2)
