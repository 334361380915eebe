"""WGAN-GP's residual networks, for any power-of-two resolution from 16 to 256.

Improved Training of Wasserstein GANs, arXiv:1704.00028, the CIFAR-10 networks of its appendix and
of the authors' gan_cifar_resnet.py, without labels. At 32 px these are the paper's, with 1.20M and
1.05M parameters for z of 128. Other resolutions, which the paper builds differently, add or drop
blocks of the same width: the generator doubles from 4 px, the discriminator halves down to 8 px,
where its two last blocks are. Cost grows with the number of pixels: at 256 px lower `width`.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from gan_lab.common.ranges import in_range, one_of
from gan_lab.networks.labelled import LabelledDiscriminator, LabelledNetwork
from gan_lab.networks.layers.attention import SelfAttention, attends
from gan_lab.networks.layers.head import LogitHead
from gan_lab.networks.layers.labels import LabelledSequential
from gan_lab.networks.layers.norm import norm2d
from gan_lab.networks.layers.residual import FirstBlock, ResidualBlock, draw
from gan_lab.networks.layers.resolution import doublings
from gan_lab.networks.layers.spectral import normalise_spectrally
from gan_lab.networks.output import DiscriminatorOutput


class ResnetGenerator(LabelledNetwork):
    """Project z to 4x4, then one residual block per doubling; norm, ReLU, 3x3 and tanh at the end.

    Args:
        resolution: 16, 32, 64, 128, 256 or 512.
        channels: channels of the images, any.
        latent_dim: entries of z; the paper has 128.
        width: channels of every block, >= 1.
        norm: "batch" or "none", before each ReLU.
        spectral_norm: divide each weight by its spectral norm, arXiv:1802.05957.
        attention: px of the layer whose places attend to each other (arXiv:1805.08318), at most half
            the images'; None is none.
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
        spectral_norm: bool = False,
        attention: int | None = None,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        super().__init__(labels, ways=("beside", "norm"), label_dim=label_dim)
        in_range("width", width, low=1)
        one_of("norm", norm, ("batch", "none"))
        norms = partial(norm2d, norm, label_dim=self.label_dim_if("norm"))
        levels = range(doublings(resolution, "resnet"))
        first = draw(nn.Linear(latent_dim + self.beside_dim, width * 16))
        blocks: list[nn.Module] = []
        for level in levels:
            blocks.append(ResidualBlock(width, norms, "up"))
            if attends(8 * 2**level, at=attention, images=resolution):
                blocks.append(SelfAttention(width))
        self.layers = LabelledSequential(
            first,
            nn.Unflatten(1, (width, 4, 4)),
            *blocks,
            norms(width),
            nn.ReLU(),
            draw(nn.Conv2d(width, channels, 3, padding=1)),
            nn.Tanh(),
        )
        if spectral_norm:
            normalise_spectrally(self)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map z (N, latent_dim) to images (N, channels, resolution, resolution) in [-1, 1]."""
        return self.layers(self.beside(z, labels), labels)


class ResnetDiscriminator(LabelledDiscriminator):
    """Residual blocks that halve down to 8x8, two more there, ReLU, the mean over pixels, a logit.

    Args:
        resolution: 16, 32, 64, 128, 256 or 512.
        channels: channels of the images, any.
        width: channels of every block, >= 1.
        norm: "none", "layer" or "batch", before each ReLU but those of the first block and the
            last one. A gradient penalty needs samples judged by themselves: "none" or "layer".
        spectral_norm: divide each weight by its spectral norm, arXiv:1802.05957.
        attention: px of the layer whose places attend to each other (arXiv:1805.08318), at most half
            the images'; None is none.
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
        attention: int | None = None,
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
        blocks: list[nn.Module] = []
        for level in range(halvings):
            first = FirstBlock(channels + self.beside_dim, width) if level == 0 else None
            blocks.append(first or ResidualBlock(width, norm, "down"))
            if attends(resolution // 2 ** (level + 1), at=attention, images=resolution):
                blocks.append(SelfAttention(width))
        self.body = nn.Sequential(
            *blocks,
            ResidualBlock(width, norm),
            ResidualBlock(width, norm),
            nn.ReLU(),
        )
        self.head = LogitHead(width, self.label_dim_if("projection"))
        for layer in self.head.linears():
            draw(layer)
        if spectral_norm:
            normalise_spectrally(self)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Judge images (N, channels, resolution, resolution); features are (N, width), local those of 8x8 places."""
        pixels = self.body(self.beside(images, labels))
        features = pixels.mean(dim=(2, 3)) if self.pool == "mean" else pixels.sum(dim=(2, 3))
        return DiscriminatorOutput(self.head(features, labels), features, pixels)
