"""The decoder of style transfer: from what an encoder sees back to an image, arXiv:1703.06868, section 6."""

from __future__ import annotations

from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range


class StyleTransferGenerator(nn.Module):
    """Mirrors the encoder: planes are doubled by repeating their nearest neighbours, with convolutions between.

    Borders are reflected. Nothing is normalised, since that would set every image to one style (section 5.1). The last
    layer is linear, as in the paper: pixels may leave [-1, 1] in training, and samples are clamped. Behind a tanh a run
    was seen to end in one bright colour, where no gradient is left.

    Args:
        resolution: side of the images, a multiple of 2 to the power of the encoder's halvings, twice that at least.
        channels: of the images.
        encoded_channels: of the planes that are decoded.
        encoded_halvings: of their side.
        width: channels at the images' resolution, >= 1; they double with each halving up to those of the encoder.

    Attributes:
        decodes: that it is given planes, not images.
        multiple: of the sides that images may have.

    Raises:
        ConfigError: where the resolution cannot be halved so often.
    """

    decodes = True

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        encoded_channels: int,
        encoded_halvings: int,
        width: int = 64,
    ) -> None:
        super().__init__()
        in_range("width", width, low=1)
        self.multiple = 1 << encoded_halvings
        if resolution % self.multiple or resolution < 2 * self.multiple:
            raise ConfigError(
                f"data.resolution={resolution}: the encoder halves it {encoded_halvings} times; choose a multiple of "
                f"{self.multiple}, {2 * self.multiple} at least, or earlier encoder.layers."
            )
        widths = [min(width << level, encoded_channels) for level in range(encoded_halvings + 1)]
        layers, inputs = [], encoded_channels
        for level in range(encoded_halvings, 0, -1):
            layers += [*_convolution(inputs, widths[level - 1]), nn.Upsample(scale_factor=2)]
            layers += _convolution(widths[level - 1], widths[level - 1])
            inputs = widths[level - 1]
        last = [nn.ReflectionPad2d(1), nn.Conv2d(inputs, channels, 3)]
        self.layers = nn.Sequential(*layers, *last)

    def forward(self, planes: Tensor) -> Tensor:
        """Map planes (N, encoded_channels, h, w) to images (N, channels, H, W), which are to lie in [-1, 1]."""
        found: Tensor = self.layers(planes)
        return found


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    """3 x 3 with reflected borders, then ReLU."""
    return [nn.ReflectionPad2d(1), nn.Conv2d(inputs, outputs, 3), nn.ReLU()]
