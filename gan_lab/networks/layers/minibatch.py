"""What lets a discriminator see how images of a batch differ."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MinibatchDeviation(nn.Module):
    """More planes that hold how much the images of a group differ: arXiv:1710.10196, section 3.

    For each group of images: the standard deviation of every channel and pixel over the group, and its mean over all
    of them, or over each of several parts of the channels. A group is every n-th image of a batch, as in the authors'
    code, so that neighbours are in different groups.

    Args:
        group: most images of a group, >= 2; the largest number up to it that divides the batch is taken.
        planes: parts of the channels, each with a plane of its own, >= 1.
    """

    def __init__(self, *, group: int = 4, planes: int = 1) -> None:
        super().__init__()
        self.group, self.planes = group, planes

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C + planes, H, W)."""
        images, _, height, width = x.shape
        group = next(size for size in range(self.group, 0, -1) if images % size == 0)
        fine = x.to(torch.promote_types(x.dtype, torch.float32))
        groups = fine.reshape(group, images // group, self.planes, -1, height, width)
        deviation = groups.var(dim=0, correction=0).add(1e-8).sqrt()
        means = deviation.mean(dim=(2, 3, 4))  # (images / group, planes)
        planes = means.repeat(group, 1)[:, :, None, None].expand(-1, -1, height, width)
        return torch.cat([x, planes.to(x.dtype)], dim=1)
