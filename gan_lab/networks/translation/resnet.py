"""The residual generator of CycleGAN, arXiv:1703.10593, appendix 7.2, after arXiv:1603.08155."""

from __future__ import annotations

from itertools import chain, pairwise
from typing import Any

from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range, one_of
from gan_lab.networks.layers.blur import BlurredDoubling, BlurredHalving
from gan_lab.networks.layers.planes import begin_small, plane_norm

RESAMPLINGS = ("strided", "blurred")
FIRST_NORM = 2  # place of the first normalisation in the encoder
FIFTH = 4  # number of the last residual block that contrasts of patches look at


class TranslationBlock(nn.Module):
    """x + F(x), two convolutions of 3 x 3 with reflected borders.

    Args:
        width: channels.
        norm: of planes.
    """

    def __init__(self, width: int, norm: str) -> None:
        super().__init__()
        bias = norm == "none"  # a mean that is taken off again
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=bias), plane_norm(norm, width), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=bias), plane_norm(norm, width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Map planes (N, width, H, W) to the same shape."""
        return x + self.layers(x)


class TranslationGenerator(nn.Module):
    """Images to images of the same size: halved twice, changed in residual blocks, doubled twice.

    Args:
        resolution: side of the images, a multiple of 2 to the power of the halvings.
        channels: of the images that are made.
        source_channels: of the images that are translated; None is as many.
        width: channels of the first layer, >= 1.
        blocks: residual blocks, >= 0; the paper has 6 for 128 pixels and 9 for 256.
        halvings: >= 0.
        norm: of planes: instance, batch or none.
        resampling: how planes are halved and doubled: by strided convolutions, as in the paper, or blurred, by a filter
            beside plain convolutions, which leaves no grid in the images: arXiv:1904.11486, as in CUT's code.

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
        blocks: int = 9,
        halvings: int = 2,
        norm: str = "instance",
        resampling: str = "strided",
    ) -> None:
        super().__init__()
        one_of("resampling", resampling, RESAMPLINGS)
        in_range("width", width, low=1)
        in_range("blocks", blocks, low=0)
        in_range("halvings", halvings, low=0)
        if resolution % (1 << halvings):
            fits = f"choose a multiple of {1 << halvings}"
            raise ConfigError(
                f"data.resolution={resolution}: cannot be halved {halvings} times; {fits}."
            )
        self.multiple = 1 << halvings  # of sides that it takes
        bias, given = norm == "none", source_channels or channels
        first = nn.Conv2d(given, width, 7, bias=bias)
        layers = [nn.ReflectionPad2d(3), first, plane_norm(norm, width), nn.ReLU()]
        shown = {}  # the channels behind layers that `features` gives
        for _ in range(halvings):
            shown[len(layers)] = 2 * width
            layers += _halving(width, norm, resampling)
            width *= 2
        shown |= {len(layers) + block: width for block in blocks_shown(blocks)}
        self.shown = tuple(shown)
        self.feature_channels = (given, *shown.values())
        layers += [TranslationBlock(width, norm) for _ in range(blocks)]
        self.encoder = nn.Sequential(*layers)
        up = [_doubling(width >> done, norm, resampling) for done in range(halvings)]
        last = nn.Conv2d(width >> halvings, channels, 7)
        self.decoder = nn.Sequential(*chain(*up), nn.ReflectionPad2d(3), last, nn.Tanh())
        begin_small(self)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, source_channels, H, W) in [-1, 1] to images (N, channels, H, W) in [-1, 1]."""
        return self.decoder(self.encoder(images))

    def features(self, images: Tensor) -> list[Tensor]:
        """What the encoder sees in images (N, C, H, W), layer by layer, for contrasts of patches.

        The layers are those of arXiv:2007.15651, appendix C.1: the pixels, each halving, the first residual block and
        the fifth, or the last where there are fewer. A halving is seen right behind its convolution.

        Returns:
            Planes (N, feature_channels[i], H_i, W_i), in the network's precision.
        """
        found = [images]
        for start, end in pairwise((0, *(place + 1 for place in self.shown))):
            found.append(self.encoder[start:end](found[-1]))
        return found


def blocks_shown(blocks: int) -> tuple[int, ...]:
    """Numbers of the residual blocks whose results `features` gives, of so many: the first, and the fifth or last."""
    return tuple(sorted({0, min(blocks - 1, FIFTH)})) if blocks else ()


def _halving(width: int, norm: str, resampling: str) -> list[nn.Module]:
    """Layers that halve planes of `width` channels, with twice as many behind them; a convolution comes first."""
    bias = norm == "none"  # a mean that a norm takes off again
    strided = resampling == "strided"
    conv = nn.Conv2d(width, 2 * width, 3, stride=2 if strided else 1, padding=1, bias=bias)
    layers = [conv, plane_norm(norm, 2 * width), nn.ReLU()]
    return layers if strided else [*layers, nn.ReflectionPad2d(1), BlurredHalving(border=True)]


def _doubling(width: int, norm: str, resampling: str) -> list[nn.Module]:
    """Layers that double planes of `width` channels, with half as many behind them."""
    bias = norm == "none"  # as in a halving
    half = width // 2
    after = [plane_norm(norm, half), nn.ReLU()]
    if resampling == "strided":
        shape: dict[str, Any] = {"stride": 2, "padding": 1, "output_padding": 1, "bias": bias}
        return [nn.ConvTranspose2d(width, half, 3, **shape), *after]
    blur = [nn.ReplicationPad2d(1), BlurredDoubling(border=True)]
    return [*blur, nn.Conv2d(width, half, 3, padding=1, bias=bias), *after]
