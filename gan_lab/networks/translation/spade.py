"""The generator of SPADE (GauGAN): a label map sets gain and bias of each place, arXiv:1903.07291."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.networks.layers.planes import plane_norm

WIDEST = 16  # times the width: where channels stop growing, 1024 in the paper
SMALLEST = 4  # pixels of a side where nothing else is said


class Spade(nn.Module):
    """Spatially-adaptive normalisation: normalised planes, with a gain and a bias for each channel and place.

    y = normal(x) * (1 + gain(source)) + bias(source): arXiv:1903.07291, section 3, eq. 1. Gain and bias are those of
    two convolutions behind a shared one (appendix A). The 1, with which training begins near the plain normalisation,
    is that of the authors' code.

    Args:
        channels: of the planes.
        source_channels: of the source, such as a plane for each class.
        hidden: channels of the shared convolution, >= 1.
        norm: of planes: batch, instance or none.
    """

    def __init__(self, channels: int, source_channels: int, *, hidden: int, norm: str) -> None:
        super().__init__()
        self.normal = plane_norm(norm, channels)
        if isinstance(self.normal, nn.BatchNorm2d):
            self.normal = nn.BatchNorm2d(channels, affine=False)
        self.shared = nn.Sequential(nn.Conv2d(source_channels, hidden, 3, padding=1), nn.ReLU())
        self.gain = nn.Conv2d(hidden, channels, 3, padding=1)
        self.bias = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        """Map planes (N, channels, h, w), with a source (N, source_channels, H, W), to the same shape."""
        seen = self.shared(resized(source, x.shape[2:]))
        return torch.addcmul(self.bias(seen), self.normal(x), 1 + self.gain(seen))


class SpadeBlock(nn.Module):
    """x + F(x): twice Spade, ReLU and a convolution; x is Spade and a convolution of 1 x 1 where channels change.

    arXiv:1903.07291, figure 4 and appendix A; weights of convolutions between planes are divided by their spectral
    norm.

    Args:
        inputs: channels of x.
        outputs: channels of the result.
        source_channels: of the source.
        hidden: of `Spade`.
        norm: of `Spade`.
        last: whether no other block, and so no normalisation, follows.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        source_channels: int,
        *,
        hidden: int,
        norm: str,
        last: bool = False,
    ) -> None:
        super().__init__()
        middle, bias = min(inputs, outputs), norm == "none"  # else a mean that is taken off again
        kind = {"hidden": hidden, "norm": norm}
        self.first_norm = Spade(inputs, source_channels, **kind)  # type: ignore[arg-type]
        self.second_norm = Spade(middle, source_channels, **kind)  # type: ignore[arg-type]
        self.first = nn.Conv2d(inputs, middle, 3, padding=1, bias=bias)
        self.second = nn.Conv2d(middle, outputs, 3, padding=1, bias=bias or last)
        self.learned = inputs != outputs
        if self.learned:
            self.side_norm = Spade(inputs, source_channels, **kind)  # type: ignore[arg-type]
            self.side = nn.Conv2d(inputs, outputs, 1, bias=False)

    def normalise(self) -> None:
        """Divide the weights between planes by their spectral norm from now on: arXiv:1802.05957."""
        for module in (self.first, self.second, *([self.side] if self.learned else [])):
            spectral_norm(module)

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        """Map planes (N, inputs, h, w), with a source (N, source_channels, H, W), to (N, outputs, h, w)."""
        beside = self.side(self.side_norm(x, source)) if self.learned else x
        y = self.first(F.relu(self.first_norm(x, source)))
        return beside + self.second(F.relu(self.second_norm(y, source)))


class SpadeGenerator(nn.Module):
    """Doubles planes up to an image; each block sees the source at its own resolution.

    The paper's generator begins with a latent of a style. This one begins with the source made small, as the authors'
    code does where there is no encoder of styles: arXiv:1903.07291, appendix A.

    Args:
        resolution: side of the images, a multiple of 2 to the power of the doublings.
        channels: of the images that are made.
        source_channels: of the sources, such as a plane for each class; None is as many.
        width: channels of the last block, >= 1; each before it has twice as many, up to 16 times.
        doublings: >= 1; None begins with 4 pixels, or the smallest above that halving gives.
        hidden: channels of the convolution that gains and biases share, >= 1.
        norm: of planes: batch, instance or none.

    Attributes:
        multiple: of sides that it takes.

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
        doublings: int | None = None,
        hidden: int = 128,
        norm: str = "batch",
    ) -> None:
        super().__init__()
        in_range("width", width, low=1)
        in_range("hidden", hidden, low=1)
        doublings = halvings_of(resolution) if doublings is None else doublings
        in_range("doublings", doublings, low=1)
        if resolution % (1 << doublings):
            raise ConfigError(
                f"data.resolution={resolution}: cannot be halved {doublings} times; set generator.doublings to fewer, "
                f"or choose a multiple of {1 << doublings}."
            )
        self.multiple = 1 << doublings
        given = source_channels or channels
        widths = [min(width << level, WIDEST * width) for level in range(doublings, -1, -1)]
        self.first = nn.Conv2d(given, widths[0], 3, padding=1, bias=norm == "none")
        kind = {"hidden": hidden, "norm": norm}
        blocks = [
            SpadeBlock(before, after, given, last=place == doublings, **kind)  # type: ignore[arg-type]
            for place, (before, after) in enumerate(pairwise((widths[0], *widths)))
        ]
        self.blocks = nn.ModuleList(blocks)
        self.last = nn.Conv2d(widths[-1], channels, 3, padding=1)
        _begin(self)
        for block in blocks:
            block.normalise()

    def forward(self, source: Tensor) -> Tensor:
        """Map sources (N, source_channels, H, W) to images (N, channels, H, W) in [-1, 1]."""
        height, width = source.shape[2:]
        x = self.first(resized(source, (height // self.multiple, width // self.multiple)))
        for place, block in enumerate(self.blocks):
            if place:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(x, source)
        return self.last(x).tanh()


def resized(source: Tensor, size: tuple[int, ...] | torch.Size) -> Tensor:
    """A source (N, C, H, W) at another size, each place that of the nearest: numbers of classes are not mixed."""
    return source if source.shape[2:] == tuple(size) else F.interpolate(source, size=tuple(size))


def halvings_of(resolution: int) -> int:
    """How often a side can be halved, down to `SMALLEST` pixels."""
    times = 0
    while resolution % 2 == 0 and resolution // 2 >= SMALLEST:
        resolution, times = resolution // 2, times + 1
    return times


def _begin(network: nn.Module) -> None:
    """Weights by Glorot with a gain of 0.02 and no bias: arXiv:1903.07291, appendix A, and the authors' code."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.xavier_normal_(module.weight, gain=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
