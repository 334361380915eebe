"""BigGAN-deep's networks, for 32, 64, 128 and 256 px: twice as many blocks, each with a bottleneck.

Large Scale GAN Training for High Fidelity Natural Image Synthesis, arXiv:1809.11096, appendix B, figure 16 and tables 7
and 8. At 128 and 256 px these are the paper's. Every block is conditioned on the whole latent beside the labels'
embedding, and shortcuts drop channels, or gain some by a 1x1 convolution, instead of changing all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.networks.biggan import BigganDiscriminator, BigganGenerator, Stage
from gan_lab.networks.layers.labels import TakesLabels, call
from gan_lab.networks.layers.resample import UpsampleConv
from gan_lab.networks.layers.residual import Norms

NARROWER = 4  # times fewer channels inside a block

# Multiples of the width behind the first convolution and behind each stage that halves.
FALLING = {
    32: (4, 4, 4, 4),
    64: (1, 2, 4, 8, 16),
    128: (1, 2, 4, 8, 16, 16),
    256: (1, 2, 4, 8, 8, 16, 16),
}


class BigganDeepGenerator(BigganGenerator):
    """A linear layer to 4x4, two blocks for each doubling, attention at one resolution, norm, ReLU, 3x3, tanh.

    Args:
        resolution: 32, 64, 128 or 256.
        channels: channels of the images, any.
        latent_dim: entries of z; the paper has 128.
        width: the paper's ch, channels of the finest layer at 128 and 256 px, >= 1.
        embedding: entries of the vector that stands for the labels, >= 1.
        attention: px of the layer whose places attend to each other, at most half the images'; None is none.
        spectral_norm: divide each weight by its spectral norm, arXiv:1802.05957.
        labels: none, or norm: with the latent they set gains and biases of batch norm.
        label_dim: number of the data's classes or attributes.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        latent_dim: int,
        width: int = 128,
        embedding: int = 128,
        attention: int | None = 64,
        spectral_norm: bool = True,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        super().__init__(
            resolution=resolution,
            channels=channels,
            latent_dim=latent_dim,
            width=width,
            embedding=embedding,
            attention=attention,
            spectral_norm=spectral_norm,
            labels=labels,
            label_dim=label_dim,
        )

    def sizes(self, latent_dim: int, label_size: int, count: int) -> list[int]:
        """Everything enters the first layer and each block."""
        return [latent_dim + label_size] * count

    def conditions(self, z: Tensor, embedded: Tensor) -> list[Tensor]:
        """The whole latent beside the labels, for the first layer and each block."""
        return [torch.cat([z, embedded], dim=1)] * (1 + len(self.stages))

    def stage(self, inputs: int, outputs: int, norms: Norms) -> list[nn.Module]:
        """A block that keeps the resolution, and one that doubles it."""
        return [
            RisingBottleneck(inputs, inputs, norms),
            RisingBottleneck(inputs, outputs, norms, up=True),
        ]


class BigganDeepDiscriminator(BigganDiscriminator):
    """A convolution, two bottleneck blocks for each halving, attention at one resolution, the sum over pixels, a logit.

    Args:
        resolution: 32, 64, 128 or 256.
        channels: channels of the images, any.
        width: the paper's ch, channels behind the first convolution at 64 px and more, >= 1.
        attention: px of the layer whose places attend to each other, at most half the images'; None is none.
        spectral_norm: divide each weight by its spectral norm, arXiv:1802.05957.
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
        attention: int | None = 64,
        spectral_norm: bool = True,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        super().__init__(
            resolution=resolution,
            channels=channels,
            width=width,
            attention=attention,
            spectral_norm=spectral_norm,
            labels=labels,
            label_dim=label_dim,
        )

    def stages(self, channels: int, width: int, resolution: int) -> Iterator[Stage]:
        """The resolution behind each stage, its channels there, and its layers."""
        first, *_ = multiples = FALLING[resolution]
        yield resolution, width * first, [nn.Conv2d(channels, width * first, 3, padding=1)]
        for inputs, outputs in pairwise(width * multiple for multiple in multiples):
            resolution //= 2
            halves = FallingBottleneck(inputs, outputs, down=True)
            yield resolution, outputs, [halves, FallingBottleneck(outputs, outputs)]


class RisingBottleneck(TakesLabels, nn.Module):
    """Norm and ReLU in front of 1x1, 3x3, 3x3 and 1x1; the shortcut drops the last channels: figure 16 a.

    Maps (N, inputs, H, W) to (N, outputs, H, W), or to twice H and W (nearest, before the first 3x3).
    """

    def __init__(self, inputs: int, outputs: int, norms: Norms, *, up: bool = False) -> None:
        super().__init__()
        few = max(inputs // NARROWER, 1)
        self.up, self.outputs = up, outputs
        widen = UpsampleConv(few, few) if up else nn.Conv2d(few, few, 3, padding=1)
        self.norms = nn.ModuleList([norms(inputs), norms(few), norms(few), norms(few)])
        self.convs = nn.ModuleList(
            [
                nn.Conv2d(inputs, few, 1),
                widen,
                nn.Conv2d(few, few, 3, padding=1),
                nn.Conv2d(few, outputs, 1),
            ]
        )

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map (N, inputs, H, W) and conditions to (N, outputs, H', W')."""
        h = x
        for norm, conv in zip(self.norms, self.convs, strict=True):
            h = conv(F.relu(call(norm, h, labels)))
        kept = x[:, : self.outputs]
        return h + (F.interpolate(kept, scale_factor=2, mode="nearest") if self.up else kept)


class FallingBottleneck(nn.Module):
    """ReLU in front of 1x1, 3x3, 3x3 and 1x1; the shortcut gains channels by a 1x1 convolution: figure 16 b.

    Maps (N, inputs, H, W) to (N, outputs, H, W), or to half H and W (mean, before the last 1x1).
    """

    def __init__(self, inputs: int, outputs: int, *, down: bool = False) -> None:
        super().__init__()
        few = max(outputs // NARROWER, 1)
        self.down = down
        self.narrow = nn.Conv2d(inputs, few, 1)
        self.middle = nn.ModuleList([nn.Conv2d(few, few, 3, padding=1) for _ in range(2)])
        self.widen = nn.Conv2d(few, outputs, 1)
        self.gain = nn.Conv2d(inputs, outputs - inputs, 1) if outputs > inputs else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H', W')."""
        h = self.narrow(F.relu(x))
        for conv in self.middle:
            h = conv(F.relu(h))
        h = F.relu(h)
        if self.down:
            h, x = F.avg_pool2d(h, 2), F.avg_pool2d(x, 2)
        kept = x if self.gain is None else torch.cat([x, self.gain(x)], dim=1)
        return kept + self.widen(h)
