"""Holes: what inpainting shall fill."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.degrade.part import Draw

FILLED = 0.0  # what stands in a hole: grey
HALF = 0.5  # of opaque: what a person made more transparent is a hole


class Holes(nn.Module):
    """Rectangles cut out of each image, at places of their own; the mask is one more channel of the source.

    Context Encoders, arXiv:1604.07379, section 3.1, cut one square or random blocks. What lies outside of the holes is
    put back into what the generator makes.

    Args:
        count: rectangles in an image, >= 1.
        low: shortest side of one, as a share of the image's, in (0, 1].
        high: longest side of one, likewise.
    """

    fills = True  # what is transparent is a hole, and is none afterwards

    def __init__(self, *, count: int = 1, low: float = 0.35, high: float = 0.5) -> None:
        super().__init__()
        in_range("count", count, low=1)
        in_range("low", low, above=0, high=1)
        in_range("high", high, low=low, high=1)
        self.count, self.low, self.high = count, low, high

    def forward(self, images: Tensor, draw: Draw) -> Tensor:
        """Map images (N, C, H, W) to (N, C + 1, H, W): grey in the holes, and a last channel of 1 there, 0 beside."""
        height, width = images.shape[2:]
        numbers = draw.uniform("holes", (len(images), self.count * 4)).to(images.device)
        numbers = numbers.view(len(images), self.count, 4)
        inside = images.new_zeros(len(images), height, width, dtype=torch.bool)
        for at in range(self.count):
            rows = self._within(numbers[:, at, 0], numbers[:, at, 1], height)
            columns = self._within(numbers[:, at, 2], numbers[:, at, 3], width)
            inside = inside | (rows[:, :, None] & columns[:, None, :])
        mask = inside[:, None].to(images.dtype)
        return torch.cat([images * (1 - mask) + FILLED * mask, mask], dim=1)

    def _within(self, size: Tensor, place: Tensor, side: int) -> Tensor:
        """Which pixels (N, side) of an axis lie in a hole of a drawn size at a drawn place."""
        length = ((self.low + (self.high - self.low) * size) * side).round().clamp(min=1)
        start = (place * (side - length + 1)).floor()
        pixels = torch.arange(side, device=size.device)
        return (pixels >= start[:, None]) & (pixels < (start + length)[:, None])

    def put_back(self, made: Tensor, source: Tensor) -> Tensor:
        """What was made, inside of the holes only."""
        mask = source[:, -1:]
        return made * mask + source[:, :-1] * (1 - mask)

    def of_given(self, images: Tensor, alpha: Tensor | None) -> Tensor:
        """Images (N, C, H, W) with holes where a person made them transparent, as `forward` gives them.

        Raises:
            ConfigError: where nothing is transparent.
        """
        if alpha is None or not bool((alpha < HALF).any()):
            raise ConfigError(
                "the model fills holes, and no part of the image is transparent; erase what it shall fill and save the "
                "image as PNG with transparency."
            )
        mask = (alpha < HALF).to(images)
        return torch.cat([images * (1 - mask) + FILLED * mask, mask], dim=1)
