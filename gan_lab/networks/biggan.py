"""BigGAN's networks, for 32, 64, 128 and 256 px.

Large Scale GAN Training for High Fidelity Natural Image Synthesis, arXiv:1809.11096, appendix B, tables 4 and 5. At 128
and 256 px these are the paper's; it has none for 32 and 64 px, which leave out the widest or finest layers.

The latent is cut into as many pieces as there are blocks and one more. The first enters the first layer, each other
one the conditional norms of its block, beside the embedding of the labels, which all blocks share. Linear layers make
gains and biases of them, so that latent and labels act at every resolution.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.networks.labelled import LabelledDiscriminator, LabelledNetwork
from gan_lab.networks.layers.attention import SelfAttention, attends
from gan_lab.networks.layers.head import LogitHead
from gan_lab.networks.layers.initial import draw_orthogonal
from gan_lab.networks.layers.labels import LabelEmbedding, LabelledSequential
from gan_lab.networks.layers.norm import ConditionalBatchNorm2d
from gan_lab.networks.layers.residual import FirstBlock, Norms, ResidualBlock
from gan_lab.networks.layers.spectral import normalise_spectrally
from gan_lab.networks.output import DiscriminatorOutput

Plan = TypeVar("Plan")
Stage = tuple[int, int, list[nn.Module]]

# Multiples of the width, from 4 px to the images' resolution.
RISING = {
    32: (4, 4, 4, 4),
    64: (16, 16, 8, 4, 2),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
}
# Of the blocks that halve, and of those behind them.
FALLING = {
    32: ((4, 4), (4, 4)),
    64: ((1, 2, 4, 8), (16,)),
    128: ((1, 2, 4, 8, 16), (16,)),
    256: ((1, 2, 4, 8, 8, 16), (16,)),
}


class BigganGenerator(LabelledNetwork):
    """A linear layer to 4x4, a residual block for each doubling, attention at one resolution, norm, ReLU, 3x3, tanh.

    Args:
        resolution: 32, 64, 128 or 256.
        channels: channels of the images, any.
        latent_dim: entries of z, at least one for each block and one more.
        width: the paper's ch, channels of the finest layer at 128 and 256 px, >= 1.
        embedding: entries of the vector that stands for the labels, >= 1.
        attention: px of the layer whose places attend to each other, at most half the images'; None is none.
        spectral_norm: divide each weight by its spectral norm, arXiv:1802.05957.
        labels: none, or norm: with the piece of the latent they set gains and biases of batch norm.
        label_dim: number of the data's classes or attributes.
    """

    family = "biggan"

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        latent_dim: int,
        width: int = 96,
        embedding: int = 128,
        attention: int | None = 64,
        spectral_norm: bool = True,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        super().__init__(labels, ways=("norm",), label_dim=label_dim)
        in_range("width", width, low=1)
        in_range("embedding", embedding, low=1)
        widths = [width * multiple for multiple in planned(RISING, resolution, self.family)]
        label_size = embedding if self.takes_labels else 0
        if label_dim is not None and self.takes_labels:
            self.embedding = LabelEmbedding(label_dim, embedding)
        sizes = self.sizes(latent_dim, label_size, len(widths))
        self.first = nn.Linear(sizes[0], widths[0] * 16)
        self.stages = nn.ModuleList()
        for level, (coarse, fine) in enumerate(pairwise(widths)):
            layers = self.stage(coarse, fine, norms_of(sizes[level + 1]))
            if attends(8 * 2**level, at=attention, images=resolution):
                layers.append(SelfAttention(fine))
            self.stages.append(LabelledSequential(*layers))
        last = nn.Conv2d(widths[-1], channels, 3, padding=1)
        self.last = nn.Sequential(nn.BatchNorm2d(widths[-1]), nn.ReLU(), last, nn.Tanh())
        draw_orthogonal(self)
        if spectral_norm:
            normalise_spectrally(self)

    def sizes(self, latent_dim: int, label_size: int, count: int) -> list[int]:
        """Entries of what enters the first layer and each block, `count` in all.

        Raises:
            ConfigError: if the latent has too few entries for a piece each.
        """
        if latent_dim < count:
            raise ConfigError(
                f"latent.dim={latent_dim}: biggan cuts the latent into {count} pieces, use {count} or more."
            )
        self.pieces = [latent_dim // count + (index < latent_dim % count) for index in range(count)]
        return [self.pieces[0], *(piece + label_size for piece in self.pieces[1:])]

    def stage(self, inputs: int, outputs: int, norms: Norms) -> list[nn.Module]:
        """The layers between one resolution and the next."""
        return [ResidualBlock(outputs, norms, "up", inputs=inputs)]

    def conditions(self, z: Tensor, embedded: Tensor) -> list[Tensor]:
        """What enters the first layer and each block, of the latent (N, latent_dim) and the labels (N, label_size)."""
        first, *pieces = z.split(self.pieces, dim=1)
        return [first, *(torch.cat([piece, embedded], dim=1) for piece in pieces)]

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map z (N, latent_dim) to images (N, channels, resolution, resolution) in [-1, 1]."""
        first, *conditions = self.conditions(
            z, self.embedding(labels) if self.takes_labels else z[:, :0]
        )
        h = self.first(first).unflatten(1, (-1, 4, 4))
        for stage, condition in zip(self.stages, conditions, strict=True):
            h = stage(h, condition)
        images: Tensor = self.last(h)
        return images


class BigganDiscriminator(LabelledDiscriminator):
    """Residual blocks that halve, attention at one resolution, the sum over pixels, a logit.

    Args:
        resolution: 32, 64, 128 or 256.
        channels: channels of the images, any.
        width: the paper's ch, channels of the finest layer at 64 px and more, >= 1.
        attention: px of the layer whose places attend to each other, at most half the images'; None is none.
        spectral_norm: divide each weight by its spectral norm, arXiv:1802.05957.
        labels: none, beside (they are more planes of the image, arXiv:1411.1784) or projection
            (arXiv:1802.05637, eq. 3).
        label_dim: number of the data's classes or attributes.
    """

    family = "biggan"

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        width: int = 96,
        attention: int | None = 64,
        spectral_norm: bool = True,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        halving, behind = planned(FALLING, resolution, self.family)
        feature_dim = width * (*halving, *behind)[-1]
        super().__init__(
            labels, label_dim=label_dim, feature_dim=feature_dim, local_dim=feature_dim
        )
        in_range("width", width, low=1)
        layers: list[nn.Module] = []
        for size, last, stage in self.stages(channels + self.beside_dim, width, resolution):
            layers += stage
            if attends(size, at=attention, images=resolution):
                layers.append(SelfAttention(last))
        self.body = nn.Sequential(*layers, nn.ReLU())
        self.head = LogitHead(feature_dim, self.label_dim_if("projection"))
        draw_orthogonal(self)
        if spectral_norm:
            normalise_spectrally(self)

    def stages(self, channels: int, width: int, resolution: int) -> Iterator[Stage]:
        """The resolution behind each stage, its channels there, and its layers."""
        halving, behind = planned(FALLING, resolution, self.family)
        for index, multiple in enumerate(halving):
            outputs, resolution = width * multiple, resolution // 2
            block = ResidualBlock(outputs, "none", "down", inputs=channels)
            layers: list[nn.Module] = [FirstBlock(channels, outputs) if index == 0 else block]
            if index == len(halving) - 1:
                for inputs, width_behind in pairwise([multiple, *behind]):
                    outputs = width * width_behind
                    layers.append(ResidualBlock(outputs, "none", inputs=width * inputs))
            yield resolution, outputs, layers
            channels = outputs

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Judge images (N, channels, resolution, resolution); features are (N, feature_dim), local those of places."""
        places = self.body(self.beside(images, labels))
        features = places.sum(dim=(2, 3))
        return DiscriminatorOutput(self.head(features, labels), features, places)


def planned(table: Mapping[int, Plan], resolution: int, family: str) -> Plan:
    """The multiples of the width for a resolution.

    Raises:
        ConfigError: if the table has none.
    """
    if resolution not in table:
        raise ConfigError(
            f"data.resolution={resolution}: the {family} networks are made for 32, 64, 128 or 256."
        )
    return table[resolution]


def norms_of(size: int) -> Norms:
    """What builds batch norms whose gains and biases are linear in conditions (N, size)."""

    def build(channels: int) -> nn.Module:
        parts = {name: nn.Linear(size, channels, bias=False) for name in ("gains", "biases")}
        return ConditionalBatchNorm2d(channels, **parts)

    return build
