"""A 3x3 convolution and a change of resolution by two, in one.

A mean over 2x2 pixels and a repetition of pixels are linear, as a convolution is, and two such maps in a row are one:
a 4x4 convolution with a stride of 2, or its transpose. It needs 16 multiplications where the two need 36, and never
holds the larger image. The parameters, and the function up to rounding, are those of the two layers, zeros around the
image included.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class SameConv(nn.Conv2d):
    """A 3x3 convolution that keeps the size: (N, in_channels, H, W) to (N, out_channels, H, W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)


class ConvThenHalve(SameConv):
    """A 3x3 convolution and the mean of each 2x2 pixels behind it."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H / 2, W / 2); H and W must be even."""
        # The mean of four shifted kernels.
        kernel = F.avg_pool2d(self.weight, 2, stride=1, padding=1)
        return F.conv2d(x, kernel, self.bias, stride=2, padding=1)


class DoubleThenConv(SameConv):
    """Each pixel repeated 2x2 (nearest neighbour), and a 3x3 convolution behind it."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, 2 H, 2 W)."""
        # The sum of four shifted kernels, which a transposed convolution applies mirrored.
        mirrored = self.weight.transpose(0, 1).flip(2, 3)
        kernel = F.avg_pool2d(mirrored, 2, stride=1, padding=1, divisor_override=1)
        return F.conv_transpose2d(x, kernel, self.bias, stride=2, padding=1)
