"""Blur and noise: what restoration shall undo, in chains before less resolution (arXiv:2107.10833, section 3.1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab.common.ranges import in_range
from gan_lab.degrade.part import Draw


class GaussianNoise(nn.Module):
    """Noise of a strength that is drawn for each image.

    Args:
        low: smallest standard deviation, of pixels in [-1, 1], >= 0.
        high: largest, >= low.
    """

    def __init__(self, *, low: float = 0.01, high: float = 0.2) -> None:
        super().__init__()
        in_range("low", low, low=0)
        in_range("high", high, low=low)
        self.low, self.high = low, high

    def forward(self, images: Tensor, draw: Draw) -> Tensor:
        """Map images (N, C, H, W) to noisy ones in [-1, 1]."""
        sizes = draw.uniform("strength", (len(images), 1))[:, :, None, None].to(images.device)
        noise = draw.normal("noise", tuple(images.shape)).to(images.device)
        return (images + (self.low + (self.high - self.low) * sizes) * noise).clamp(-1, 1)


class GaussianBlur(nn.Module):
    """Blur of a width that is drawn for each image.

    Args:
        low: smallest standard deviation in pixels, > 0.
        high: largest, >= low.
        radius: pixels to each side that the filter reaches, >= 1.
    """

    def __init__(self, *, low: float = 0.2, high: float = 2.0, radius: int = 4) -> None:
        super().__init__()
        in_range("low", low, above=0)
        in_range("high", high, low=low)
        in_range("radius", radius, low=1)
        self.low, self.high, self.radius = low, high, radius

    def forward(self, images: Tensor, draw: Draw) -> Tensor:
        """Map images (N, C, H, W) to blurred ones of the same shape."""
        count, channels, height, width = images.shape
        sizes = draw.uniform("width", (count, 1)).to(images.device)
        sigma = self.low + (self.high - self.low) * sizes
        places = torch.arange(-self.radius, self.radius + 1, device=images.device)
        weights = torch.exp(-places.square() / (2 * sigma.square()))
        weights = (weights / weights.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
        planes = images.reshape(1, count * channels, height, width)
        reach = self.radius
        planes = F.pad(planes, (reach, reach, reach, reach), mode="reflect")
        planes = F.conv2d(planes, weights[:, None, :, None], groups=count * channels)
        planes = F.conv2d(planes, weights[:, None, None, :], groups=count * channels)
        return planes.reshape(images.shape)
