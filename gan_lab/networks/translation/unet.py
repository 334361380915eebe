"""The U-Net generator of pix2pix, arXiv:1611.07004, section 3.2.1 and appendix 6.1.1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.networks.layers.planes import begin_small, plane_norm

WIDEST = 8  # times the width: where channels stop growing
SEEN = 4  # halvings that `features` gives, at most
DROPPED = 3  # innermost layers of the decoder that have dropout


class UNetGenerator(nn.Module):
    """Halves an image down to a single place, and doubles it again beside what it was on the way down.

    Args:
        resolution: side of the images, a power of 2 >= 4.
        channels: of the images that are made.
        source_channels: of the images that are translated; None is as many.
        width: channels of the first layer, >= 1; each further one has twice as many, up to 8 times.
        depth: halvings, >= 2; None goes down to one place.
        dropout: of the decoder's three innermost layers, in [0, 1); the noise of pix2pix in training.
        norm: of planes: instance, batch or none.

    Attributes:
        feature_channels: of each layer that `features` gives.

    Raises:
        ConfigError: where the resolution cannot be halved so often.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        source_channels: int | None = None,
        width: int = 64,
        depth: int | None = None,
        dropout: float = 0.5,
        norm: str = "instance",
    ) -> None:
        super().__init__()
        in_range("width", width, low=1)
        in_range("dropout", dropout, low=0, below=1)
        depth = resolution.bit_length() - 1 if depth is None else depth
        in_range("depth", depth, low=2)
        if resolution % (1 << depth):
            raise ConfigError(
                f"data.resolution={resolution}: this U-Net halves it {depth} times; set generator.depth to "
                "fewer, or a resolution that is a power of 2."
            )
        widths = [min(width << level, WIDEST * width) for level in range(depth)]
        self.multiple = 1 << depth  # of sides that it takes
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        inputs = source_channels or channels
        self.feature_channels = (inputs, *_seen(widths, resolution))
        for level, outputs in enumerate(widths):
            # Instance norm of a single place would be zero.
            bare = level == 0 or resolution >> (level + 1) == 1
            kind = "none" if bare else norm
            self.down.append(_halving(inputs, outputs, norm=kind, first=level == 0))
            inputs = outputs
        for level in range(depth - 1, 0, -1):
            drop = dropout if depth - 1 - level < DROPPED else 0.0
            self.up.append(_doubling(inputs, widths[level - 1], norm=norm, dropout=drop))
            inputs = 2 * widths[level - 1]
        self.last = nn.Sequential(
            nn.ReLU(), nn.ConvTranspose2d(inputs, channels, 4, stride=2, padding=1), nn.Tanh()
        )
        begin_small(self)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, source_channels, H, W) in [-1, 1] to images (N, channels, H, W) in [-1, 1]."""
        seen = []
        x = images
        for layer in self.down:
            x = layer(x)
            seen.append(x)
        seen.pop()
        for layer in self.up:
            x = torch.cat([layer(x), seen.pop()], dim=1)
        return self.last(x)

    def features(self, images: Tensor) -> list[Tensor]:
        """What the way down sees in images (N, C, H, W), for contrasts of patches (arXiv:2007.15651).

        Returns:
            The pixels and what the first halvings make of them: planes (N, feature_channels[i], H_i, W_i).
        """
        found = [images]
        for layer in self.down[: len(self.feature_channels) - 1]:
            found.append(layer(found[-1]))
        return found


def _seen(widths: list[int], resolution: int) -> list[int]:
    """Channels of the first halvings; a layer of one place has no other places to be told from."""
    large = [width for level, width in enumerate(widths) if resolution >> (level + 1) > 1]
    return large[:SEEN]


def _halving(inputs: int, outputs: int, *, norm: str, first: bool) -> nn.Sequential:
    """Leaky ReLU, but for the first; a convolution with a stride of 2; normalisation."""
    layers: list[nn.Module] = [] if first else [nn.LeakyReLU(0.2)]
    layers.append(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=norm == "none"))
    return nn.Sequential(*layers, plane_norm(norm, outputs))


def _doubling(inputs: int, outputs: int, *, norm: str, dropout: float) -> nn.Sequential:
    """ReLU, a transposed convolution with a stride of 2, normalisation, dropout."""
    bias = norm == "none"  # a mean that is taken off again
    layers = [nn.ReLU(), nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=bias)]
    drop = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers, plane_norm(norm, outputs), *drop)
