"""Holes: what inpainting shall fill."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range, one_of
from gan_lab.degrade.part import Draw
from gan_lab.degrade.strokes import brushed, numbers_of_strokes

FILLED = 0.0  # what stands in a hole: grey
HALF = 0.5  # of opaque: what a person made more transparent is a hole
SHAPES = ("box", "strokes", "given")


class Holes(nn.Module):
    """Holes cut out of each image, at places of their own; the mask is one more channel of the source.

    Context Encoders, arXiv:1604.07379, section 3.1, cut one square or random blocks. Strokes of a brush are those of
    arXiv:1806.03589, algorithm 1. What lies outside of the holes is put back into what the generator makes.

    Args:
        shape: of the holes: box (rectangles), strokes, or given (masks that a person has).
        count: of them in an image, >= 1.
        low: shortest side of a box, as a share of the image's, in (0, 1].
        high: longest side of one, likewise.
        pieces: straight pieces of a stroke at most, >= 1.
        length: of such a piece at most, as a share of the image's side, in (0, 1].
        brush: width of a stroke at most, likewise.
        masks: folder or zip archive of masks for shape=given, white where a hole is; each image gets one by chance.

    Attributes:
        given: these masks, bool (M, H, W), saved with the network; `take` fills them in at the start of a new run.
    """

    given: Tensor

    fills = True  # what is transparent is a hole, and is none afterwards
    adds = 1  # channels of a source beside those of the image

    def __init__(
        self,
        *,
        shape: str = "box",
        count: int = 1,
        low: float = 0.35,
        high: float = 0.5,
        pieces: int = 8,
        length: float = 0.4,
        brush: float = 0.15,
        masks: str | None = None,
    ) -> None:
        super().__init__()
        one_of("shape", shape, SHAPES)
        in_range("count", count, low=1)
        in_range("low", low, above=0, high=1)
        in_range("high", high, low=low, high=1)
        in_range("pieces", pieces, low=1)
        in_range("length", length, above=0, high=1)
        in_range("brush", brush, above=0, high=1)
        self.shape, self.count, self.low, self.high = shape, count, low, high
        self.pieces, self.length, self.brush = pieces, length, brush
        self.masks_from = masks
        if (shape == "given") != (masks is not None):
            raise ConfigError(
                f"shape={shape} with masks={masks}: masks of your own take shape=given and masks=<folder> together."
            )
        if masks is not None:
            self.register_buffer("given", torch.zeros(0, 1, 1, dtype=torch.bool))

    def take(self, masks: Tensor) -> None:
        """Take the masks, bool (M, H, W), of the images' size."""
        self.given = masks.to(self.given.device)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *more: Any) -> None:
        """Take as many masks as were saved."""
        if self.masks_from is not None and (saved := state.get(f"{prefix}given")) is not None:
            self.take(torch.empty_like(saved))
        super()._load_from_state_dict(state, prefix, *more)

    def forward(self, images: Tensor, draw: Draw) -> Tensor:
        """Map images (N, C, H, W) to (N, C + 1, H, W): grey in the holes, and a last channel of 1 there, 0 beside."""
        inside = {"box": self._boxes, "strokes": self._strokes, "given": self._drawn}[self.shape](
            images, draw
        )
        mask = inside[:, None].to(images.dtype)
        return torch.cat([images * (1 - mask) + FILLED * mask, mask], dim=1)

    def _boxes(self, images: Tensor, draw: Draw) -> Tensor:
        """Which pixels lie in rectangles, bool (N, H, W)."""
        height, width = images.shape[2:]
        numbers = draw.uniform("holes", (len(images), self.count * 4)).to(images.device)
        numbers = numbers.view(len(images), self.count, 4)
        inside = images.new_zeros(len(images), height, width, dtype=torch.bool)
        for at in range(self.count):
            rows = self._within(numbers[:, at, 0], numbers[:, at, 1], height)
            columns = self._within(numbers[:, at, 2], numbers[:, at, 3], width)
            inside = inside | (rows[:, :, None] & columns[:, None, :])
        return inside

    def _strokes(self, images: Tensor, draw: Draw) -> Tensor:
        """Which pixels lie under strokes, bool (N, H, W)."""
        wanted = numbers_of_strokes(self.count, self.pieces)
        numbers = draw.uniform("strokes", (len(images), wanted)).to(images.device)
        height, width = images.shape[2:]
        how = {"strokes": self.count, "pieces": self.pieces}
        return brushed(numbers, (height, width), **how, length=self.length, brush=self.brush)

    def _drawn(self, images: Tensor, draw: Draw) -> Tensor:
        """A given mask for each image, bool (N, H, W); no hole while there are none."""
        if not len(self.given):
            return images.new_zeros(len(images), *images.shape[2:], dtype=torch.bool)
        chance = draw.uniform("mask", (len(images), 1))[:, 0].to(images.device)
        return self.given[(chance * len(self.given)).long()]

    def _within(self, size: Tensor, place: Tensor, side: int) -> Tensor:
        """Which pixels (N, side) of an axis lie in a hole of a drawn size at a drawn place."""
        length = ((self.low + (self.high - self.low) * size) * side).round().clamp(min=1)
        start = (place * (side - length + 1)).floor()
        pixels = torch.arange(side, device=size.device)
        return (pixels >= start[:, None]) & (pixels < (start + length)[:, None])

    def region(self, source: Tensor) -> Tensor:
        """What is to be made, of a source (N, C + 1, H, W): 1 in the holes, 0 beside, (N, 1, H, W)."""
        return source[:, -1:]

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
