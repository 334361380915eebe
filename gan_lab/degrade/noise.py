"""Blur, ringing and noise: what restoration shall undo, in chains before less resolution (arXiv:2107.10833)."""

from __future__ import annotations

import math

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
    """Blur of a width that is drawn for each image: round, or longish at an angle of its own.

    Args:
        low: smallest standard deviation in pixels, > 0.
        high: largest, >= low.
        radius: pixels to each side that the filter reaches, >= 1.
        stretch: how many times narrower it is at most across its longer direction, >= 1; 1 is round.
    """

    def __init__(
        self, *, low: float = 0.2, high: float = 2.0, radius: int = 4, stretch: float = 1.0
    ) -> None:
        super().__init__()
        in_range("low", low, above=0)
        in_range("high", high, low=low)
        in_range("radius", radius, low=1)
        in_range("stretch", stretch, low=1)
        self.low, self.high, self.radius, self.stretch = low, high, radius, stretch

    def forward(self, images: Tensor, draw: Draw) -> Tensor:
        """Map images (N, C, H, W) to blurred ones of the same shape."""
        sizes = draw.uniform("width", (len(images), 1)).to(images.device)
        sigma = self.low + (self.high - self.low) * sizes
        places = torch.arange(-self.radius, self.radius + 1, device=images.device)
        if self.stretch == 1:
            weights = torch.exp(-places.square() / (2 * sigma.square()))
            weights = weights / weights.sum(dim=1, keepdim=True)
            # Two filters of one axis each cost less than one of two.
            return filtered(filtered(images, weights[:, :, None]), weights[:, None, :])
        shape = draw.uniform("shape", (len(images), 2)).to(images.device)[:, :, None, None]
        angle, narrower = math.pi * shape[:, 0], 1 + (self.stretch - 1) * shape[:, 1]
        along = places[:, None] * angle.cos() + places[None, :] * angle.sin()
        across = places[None, :] * angle.cos() - places[:, None] * angle.sin()
        distance = along.square() + (across * narrower).square()
        return filtered(images, torch.exp(-distance / (2 * sigma[:, :, None].square())))


class Ringing(nn.Module):
    """Edges that echo, as sharpening and JPEG leave them: all frequencies above one that is drawn are cut off.

    It is the sinc filter of Real-ESRGAN, arXiv:2107.10833, section 3.3.

    Args:
        low: smallest frequency where the cut may be, as a share of the highest that pixels can hold, in (0, 1].
        high: largest, in [low, 1].
        radius: pixels to each side that the filter reaches, >= 1.
    """

    def __init__(self, *, low: float = 0.33, high: float = 1.0, radius: int = 10) -> None:
        super().__init__()
        in_range("low", low, above=0, high=1)
        in_range("high", high, low=low, high=1)
        in_range("radius", radius, low=1)
        self.low, self.high, self.radius = low, high, radius

    def forward(self, images: Tensor, draw: Draw) -> Tensor:
        """Map images (N, C, H, W) in [-1, 1] to images of the same shape and range."""
        drawn = draw.uniform("cut", (len(images), 1)).to(images.device)[:, :, None]
        cut = math.pi * (self.low + (self.high - self.low) * drawn)
        places = torch.arange(-self.radius, self.radius + 1, device=images.device)
        away = (places[:, None].square() + places[None, :].square()).sqrt().clamp(min=1e-6)
        weights = cut / (2 * math.pi * away) * torch.special.bessel_j1(cut * away)
        return filtered(images, weights).clamp(-1, 1)


def filtered(images: Tensor, weights: Tensor) -> Tensor:
    """Each image of (N, C, H, W) through a filter of its own, odd sides (N, h, w), divided by its sum.

    Borders are reflected, or where an image is too small for that, repeated.
    """
    count, channels, height, width = images.shape
    weights = weights / weights.sum(dim=(1, 2), keepdim=True)
    rows, columns = weights.shape[1] // 2, weights.shape[2] // 2
    kind = "reflect" if rows < height and columns < width else "replicate"
    planes = images.reshape(1, count * channels, height, width)
    planes = F.pad(planes, (columns, columns, rows, rows), mode=kind)
    planes = F.conv2d(
        planes, weights.repeat_interleave(channels, dim=0)[:, None], groups=count * channels
    )
    return planes.reshape(images.shape)
