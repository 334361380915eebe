"""Resolution that is lost and not given back: smaller by a random factor, and large again (arXiv:2107.10833)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_lab.common.ranges import in_range
from gan_lab.degrade.part import Draw


class Shrink(nn.Module):
    """Each image made smaller by a factor of its own, and as large as it was again: arXiv:2107.10833, section 3.1.

    Both ways are bilinear; on the way down the filter is as wide as a pixel of the small image, which averages areas.
    The paper leaves images at their size until the end of its chain. Here the images of a batch must stay alike, so
    each returns to its own. Factors above 1 would take nothing away, and there are none.

    Args:
        low: smallest factor of the side, in (0, 1].
        high: largest, in [low, 1].
    """

    def __init__(self, *, low: float = 0.25, high: float = 1.0) -> None:
        super().__init__()
        in_range("low", low, above=0, high=1)
        in_range("high", high, low=low, high=1)
        self.low, self.high = low, high

    def forward(self, images: Tensor, draw: Draw) -> Tensor:
        """Map images (N, C, H, W) to images of the same shape."""
        drawn = draw.uniform("factor", (len(images), 1))[:, 0].to(images.device)
        factor = self.low + (self.high - self.low) * drawn
        height, width = images.shape[2:]
        rows, columns = (there_and_back(side, factor)[:, None] for side in (height, width))
        return rows @ images @ columns.mT


def there_and_back(side: int, factor: Tensor) -> Tensor:
    """What an axis of `side` pixels becomes by factors (N,): matrices (N, side, side), whose rows sum to 1.

    The small axis has round(factor * side) pixels, at least one. Which these are is in the weights alone, so that one
    shape serves all factors, and nothing is read on the host.
    """
    small = (factor * side).round().clamp(min=1)[:, None, None]
    pixels = torch.arange(side, device=factor.device, dtype=factor.dtype) + 0.5
    at_large, at_small = pixels[None, None, :], pixels[None, :, None]
    ratio = side / small
    # Down: a triangle as wide as two small pixels, around the middle of each.
    down = (1 - (at_large - at_small * ratio).abs() / ratio).clamp(min=0)
    down = down / down.sum(dim=2, keepdim=True).clamp(min=1e-6)
    # Up: between the two nearest middles, and no further than the outermost.
    middle = torch.minimum((at_large / ratio).clamp(min=0.5), small - 0.5).transpose(1, 2)
    up = (1 - (middle - at_small.transpose(1, 2)).abs()).clamp(min=0)
    return up @ down
