"""4x4 convolutions with a stride of 2, from and to the few channels of images, as 2x2 ones over blocks of pixels.

With one or three channels on one side a convolution fills a fraction of a processor's vectors. With each 2x2 pixels as
four channels the same sums run up to twice as fast where it matters (docs/performance.md).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

FEW = 4  # channels


class FromPixels(nn.Conv2d):
    """A 4x4 convolution with a stride of 2 and a border of 1, from few channels."""

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H / 2, W / 2)."""
        if input.shape[-1] % 2 or input.shape[-2] % 2:
            return super().forward(input)
        blocks = F.pixel_unshuffle(F.pad(input, (1, 1, 1, 1)), 2)
        return F.conv2d(blocks, F.pixel_unshuffle(self.weight, 2), self.bias)


class ToPixels(nn.ConvTranspose2d):
    """A transposed 4x4 convolution with a stride of 2 and a border of 1, to few channels."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, 2 H, 2 W)."""
        if output_size is not None:
            return super().forward(input, output_size)
        kernel = F.pixel_unshuffle(self.weight, 2).transpose(0, 1).flip(2, 3)
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        blocks = F.conv2d(input, kernel, bias, padding=1)
        return F.pixel_shuffle(blocks, 2)[..., 1:-1, 1:-1]
