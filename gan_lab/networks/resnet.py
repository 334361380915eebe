"""WGAN-GP's residual networks, for any power-of-two resolution from 16 to 256.

Improved Training of Wasserstein GANs, arXiv:1704.00028, the CIFAR-10 networks of its appendix and
of the authors' gan_cifar_resnet.py, without labels. At 32 px these are the paper's, with 1.20M and
1.05M parameters for z of 128. Other resolutions, which the paper builds differently, add or drop
blocks of the same width: the generator doubles from 4 px, the discriminator halves down to 8 px,
where its two last blocks are. Cost grows with the number of pixels: at 256 px lower `width`.
"""

from __future__ import annotations

import math
from typing import TypeVar

from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.common.ranges import in_range, one_of
from gan_lab.networks.labelled import LabelledDiscriminator, LabelledNetwork
from gan_lab.networks.layers.head import LogitHead
from gan_lab.networks.layers.labels import LabelledSequential, TakesLabels, call
from gan_lab.networks.layers.norm import norm2d
from gan_lab.networks.layers.resample import ConvMeanPool, UpsampleConv
from gan_lab.networks.layers.resolution import doublings
from gan_lab.networks.layers.spectral import normalise_spectrally
from gan_lab.networks.output import DiscriminatorOutput

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)


class ResnetGenerator(LabelledNetwork):
    """Project z to 4x4, then one residual block per doubling; norm, ReLU, 3x3 and tanh at the end.

    Args:
        resolution: 16, 32, 64, 128 or 256.
        channels: channels of the images, any.
        latent_dim: entries of z; the paper has 128.
        width: channels of every block, >= 1.
        norm: "batch" or "none", before each ReLU.
        labels: none, beside (they are more entries of z, arXiv:1411.1784) or norm (conditional batch
            norm, arXiv:1610.07629).
        label_dim: number of the data's classes or attributes.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        latent_dim: int,
        width: int = 128,
        norm: str = "batch",
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        super().__init__(labels, ways=("beside", "norm"), label_dim=label_dim)
        in_range("width", width, low=1)
        one_of("norm", norm, ("batch", "none"))
        deep = self.label_dim_if("norm")
        doubled = range(doublings(resolution, "resnet"))
        self.layers = LabelledSequential(
            _init(nn.Linear(latent_dim + self.beside_dim, width * 16)),
            nn.Unflatten(1, (width, 4, 4)),
            *(ResidualBlock(width, norm, "up", label_dim=deep) for _ in doubled),
            norm2d(norm, width, deep),
            nn.ReLU(),
            _init(nn.Conv2d(width, channels, 3, padding=1)),
            nn.Tanh(),
        )

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map z (N, latent_dim) to images (N, channels, resolution, resolution) in [-1, 1]."""
        return self.layers(self.beside(z, labels), labels)


class ResnetDiscriminator(LabelledDiscriminator):
    """Residual blocks that halve down to 8x8, two more there, ReLU, the mean over pixels, a logit.

    Args:
        resolution: 16, 32, 64, 128 or 256.
        channels: channels of the images, any.
        width: channels of every block, >= 1.
        norm: "none", "layer" or "batch", before each ReLU but those of the first block and the
            last one. A gradient penalty needs samples judged by themselves: "none" or "layer".
        spectral_norm: divide each weight by its spectral norm, arXiv:1802.05957.
        pool: "mean" or "sum" over the pixels at the end; the sum is that of arXiv:1802.05637.
        labels: none, beside (they are more planes of the image, arXiv:1411.1784) or projection
            (arXiv:1802.05637, eq. 3).
        label_dim: number of the data's classes or attributes.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        width: int = 128,
        norm: str = "none",
        spectral_norm: bool = False,
        pool: str = "mean",
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        super().__init__(labels, label_dim=label_dim, feature_dim=width, local_dim=width)
        in_range("width", width, low=1)
        one_of("pool", pool, ("mean", "sum"))
        self.pool = pool
        one_of("norm", norm, ("none", "layer", "batch"))
        halvings = doublings(resolution, "resnet") - 1
        self.body = nn.Sequential(
            FirstBlock(channels + self.beside_dim, width),
            *(ResidualBlock(width, norm, "down") for _ in range(halvings - 1)),
            ResidualBlock(width, norm),
            ResidualBlock(width, norm),
            nn.ReLU(),
        )
        self.head = LogitHead(width, self.label_dim_if("projection"))
        for layer in self.head.linears():
            _init(layer)
        if spectral_norm:
            normalise_spectrally(self)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Judge images (N, channels, resolution, resolution); features are (N, width)."""
        pixels = self.body(self.beside(images, labels))
        features = pixels.mean(dim=(2, 3)) if self.pool == "mean" else pixels.sum(dim=(2, 3))
        return DiscriminatorOutput(self.head(features, labels), features, pixels)


class ResidualBlock(TakesLabels, nn.Module):
    """Norm, ReLU, 3x3, norm, ReLU, 3x3, plus a shortcut, which is 1x1 where the size changes.

    Maps (N, width, H, W) to twice ("up", nearest, before the first 3x3), half ("down", mean, after the second 3x3) or
    the same H and W. The 1x1 of the shortcut runs at the smaller size, for the same function as the reference's.
    """

    def __init__(
        self, width: int, norm: str, resample: str | None = None, *, label_dim: int | None = None
    ) -> None:
        super().__init__()
        self.resample = resample
        self.norm1 = norm2d(norm, width, label_dim)
        self.conv1 = _init(_conv(width, width, up=resample == "up"), gain=math.sqrt(2))
        self.norm2 = norm2d(norm, width, label_dim)
        self.conv2 = _init(_conv(width, width, down=resample == "down"), gain=math.sqrt(2))
        self.shortcut = _init(nn.Conv2d(width, width, 1)) if resample else nn.Identity()

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map (N, width, H, W) to (N, width, H', W')."""
        # No ReLU in place: the shortcut reads x again.
        h = self.conv1(F.relu(call(self.norm1, x, labels)))
        h = self.conv2(F.relu(call(self.norm2, h, labels)))
        if self.resample == "up":
            return h + F.interpolate(self.shortcut(x), scale_factor=2, mode="nearest")
        if self.resample == "down":
            return h + self.shortcut(F.avg_pool2d(x, 2))
        return h + self.shortcut(x)


class FirstBlock(nn.Module):
    """The discriminator's first block: no norms, and no ReLU on pixels; halves H and W."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = _init(_conv(channels, width), gain=math.sqrt(2))
        self.conv2 = _init(_conv(width, width, down=True), gain=math.sqrt(2))
        self.shortcut = _init(nn.Conv2d(channels, width, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, channels, H, W) to (N, width, H / 2, W / 2)."""
        h = self.conv2(F.relu(self.conv1(images)))
        return h + self.shortcut(F.avg_pool2d(images, 2))


def _conv(channels: int, width: int, *, up: bool = False, down: bool = False) -> nn.Conv2d:
    """A 3x3 convolution that keeps, doubles or halves H and W."""
    if up:
        return UpsampleConv(channels, width)
    if down:
        return ConvMeanPool(channels, width)
    return nn.Conv2d(channels, width, 3, padding=1)


def _init(layer: Layer, gain: float = 1.0) -> Layer:
    """Draw weights uniformly with variance 2 gain^2 / (fan in + fan out); biases are 0.

    The reference's "He" initialisation is a gain of sqrt(2); its shortcuts and outer layers have 1.
    """
    nn.init.xavier_uniform_(layer.weight, gain=gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
