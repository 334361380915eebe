"""A generator that fills holes: gated convolutions, arXiv:1806.03589, section 3.1."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range

# Standard deviations of first weights, times the root of a convolution's inputs: with these the mean square of gated
# planes stays about 1 from layer to layer. Torch's own would make it a tenth each time, and deep layers see nothing.
FEATURE, GATE = 2.5, 1.0


class GatedConvolution(nn.Module):
    """ELU(feature) sigmoid(gate), both convolutions of the same planes: arXiv:1806.03589, eq. 2.

    The gate learns, at each place and for each channel, how much of what lies there is known.

    Args:
        inputs: channels.
        outputs: channels.
        side: of the kernel, odd.
        stride: of both convolutions.
        dilation: pixels between two weights of the kernel.
    """

    def __init__(
        self, inputs: int, outputs: int, side: int = 3, *, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        # Both in one convolution, features first: the same arithmetic in half the calls.
        self.both = nn.Conv2d(
            inputs, 2 * outputs, side, stride=stride, dilation=dilation, padding=dilation * (side // 2)
        )  # fmt: skip
        for weight, size in zip(self.both.weight.chunk(2), (FEATURE, GATE), strict=True):
            nn.init.normal_(weight, std=size / (inputs * side**2) ** 0.5)
        nn.init.zeros_(self.both.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Map planes (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        feature, gate = self.both(x).chunk(2, dim=1)
        return F.elu(feature) * torch.sigmoid(gate)


class Enlarged(nn.Module):
    """Twice the side by repeated pixels, then a gated convolution.

    Args:
        inputs: channels.
        outputs: channels.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layer = GatedConvolution(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map planes (N, inputs, H, W) to (N, outputs, 2 H, 2 W)."""
        return self.layer(F.interpolate(x, scale_factor=2, mode="nearest"))


class GatedGenerator(nn.Module):
    """Images with holes to whole images: halved twice, dilated convolutions, doubled twice; all of them gated.

    This is the first stage of the paper's network (its figure 3); a second one with attention is left out.

    Args:
        resolution: side of the images, a multiple of 4.
        channels: of the images that are made.
        source_channels: of what is given, such as an image and a mask; None is as many as are made.
        width: channels of the first layer, >= 1; 48 in the paper.
        dilated: convolutions in the middle, whose weights lie 2, 4, 8 ... pixels apart, >= 0; 4 in the paper.

    Raises:
        ConfigError: where the resolution cannot be halved twice.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        source_channels: int | None = None,
        width: int = 48,
        dilated: int = 4,
    ) -> None:
        super().__init__()
        in_range("width", width, low=1)
        in_range("dilated", dilated, low=0, high=8)
        self.multiple = 4  # of sides that it takes
        if resolution % self.multiple:
            raise ConfigError(
                f"data.resolution={resolution}: this generator halves it twice; choose a multiple of 4."
            )
        gated, given = GatedConvolution, source_channels or channels
        self.encoder = nn.Sequential(
            gated(given, width, 5),
            gated(width, 2 * width, stride=2), gated(2 * width, 2 * width),
            gated(2 * width, 4 * width, stride=2), gated(4 * width, 4 * width),
        )  # fmt: skip
        self.middle = nn.Sequential(
            *(gated(4 * width, 4 * width, dilation=2 << at) for at in range(dilated)),
            gated(4 * width, 4 * width),
        )
        self.decoder = nn.Sequential(
            Enlarged(4 * width, 2 * width), gated(2 * width, 2 * width),
            Enlarged(2 * width, width), nn.Conv2d(width, channels, 3, padding=1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """Map sources (N, source_channels, H, W) in [-1, 1] to images (N, channels, H, W) in [-1, 1]."""
        return self.decoder(self.middle(self.encoder(images)))
