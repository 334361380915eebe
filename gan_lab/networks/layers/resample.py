"""3x3 convolutions that change the resolution by two, with the names of WGAN-GP's code."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class ConvMeanPool(nn.Conv2d):
    """A 3x3 convolution, and the mean of each 2x2 pixels behind it."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H / 2, W / 2)."""
        return F.avg_pool2d(super().forward(input), 2)


class UpsampleConv(nn.Conv2d):
    """Each pixel repeated 2x2 (nearest neighbour), and a 3x3 convolution behind it."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, 2 H, 2 W)."""
        return super().forward(F.interpolate(input, scale_factor=2, mode="nearest"))
