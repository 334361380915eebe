"""The 4x4 convolutions with a stride of 2 between images and features, as 2x2 convolutions over blocks of pixels.

With one or three channels on one side a convolution fills a fraction of a processor's vectors. With each 2x2 pixels as
four channels the same sums run up to twice as fast where it matters (docs/performance.md). Parameters, and the function
up to rounding, are those of the usual layers, which GPUs run: there each further kernel counts.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class FromPixels(nn.Conv2d):
    """A 4x4 convolution with a stride of 2 from the few channels of an image."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__(channels, out_channels, 4, stride=2, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, channels, H, W) to (N, out_channels, H / 2, W / 2); H and W must be even."""
        if not images.is_cpu:
            return super().forward(images)
        blocks = F.pixel_unshuffle(F.pad(images, (1, 1, 1, 1)), 2)
        return F.conv2d(blocks, F.pixel_unshuffle(self.weight, 2), self.bias)


class ToPixels(nn.ConvTranspose2d):
    """A transposed 4x4 convolution with a stride of 2 to the few channels of an image."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__(in_channels, channels, 4, stride=2, padding=1)

    def forward(self, features: Tensor) -> Tensor:  # type: ignore[override] # no output size
        """Map (N, in_channels, H, W) to (N, channels, 2 H, 2 W)."""
        if not features.is_cpu:
            return super().forward(features)
        kernel = F.pixel_unshuffle(self.weight, 2).transpose(0, 1).flip(2, 3)
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        blocks = F.conv2d(features, kernel, bias, padding=1)
        return F.pixel_shuffle(blocks, 2)[:, :, 1:-1, 1:-1]
