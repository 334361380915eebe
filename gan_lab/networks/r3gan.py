"""R3GAN's networks: residual blocks without any normalisation, kept steady by their first weights alone.

The GAN is dead; long live the GAN! A Modern Baseline GAN, arXiv:2501.05441, section 4 and appendix, config E: inverted
bottlenecks with grouped convolutions (ResNeXt, arXiv:1611.05431; MobileNetV2, arXiv:1801.04381), first weights after
Fixup (arXiv:1901.09321), bilinear resampling with a 1x1 convolution where the width changes, and a learnt 4x4 basis at
the coarse end of both networks. Other than in the paper, whose classes are embedded first and then concatenated or
multiplied in, labels stand beside z, and the discriminator's projection is added to the logit.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.networks.labelled import LabelledDiscriminator, LabelledNetwork
from gan_lab.networks.layers.head import LogitHead
from gan_lab.networks.layers.resolution import doublings
from gan_lab.networks.output import DiscriminatorOutput

SLOPE = 0.2  # of leaky ReLUs below 0
GAIN = math.sqrt(2 / (1 + SLOPE**2))  # which keeps the size of what comes through one
BASE = 4  # px of the coarsest layers


def draw_normal(layer: nn.Conv2d | nn.Linear, gain: float = 1.0) -> None:
    """Draw weights with the deviation gain / sqrt(fan in), arXiv:1502.01852; biases are 0."""
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


class InvertedBlock(nn.Module):
    """x + shrink(act(mix(act(expand(x))))): 1x1 to more channels, 3x3 within groups of them, 1x1 back.

    act is a leaky ReLU of 0.2. The first weights are Fixup's (arXiv:1901.09321, section 3) for three layers in each of
    so many blocks: expand and mix are divided by blocks^(1/4), shrink is 0, so a block begins as the identity.

    Args:
        width: channels that come in and go out.
        expansion: times as many channels inside.
        group: channels that the 3x3 convolution joins; a divisor of those inside.
        blocks: of the whole network.
    """

    def __init__(self, width: int, *, expansion: int, group: int, blocks: int) -> None:
        super().__init__()
        inside = width * expansion
        group = min(group, inside)
        if inside % group:
            raise ConfigError(
                f"group={group}: must divide the {inside} channels inside a block; choose another group, or width."
            )
        self.expand = nn.Conv2d(width, inside, 1)
        self.mix = nn.Conv2d(inside, inside, 3, padding=1, groups=inside // group)
        self.shrink = nn.Conv2d(inside, width, 1, bias=False)
        for layer in (self.expand, self.mix):
            draw_normal(layer, GAIN * blocks**-0.25)
        nn.init.zeros_(self.shrink.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        h = F.leaky_relu(self.expand(x), SLOPE)
        return x + self.shrink(F.leaky_relu(self.mix(h), SLOPE))


class Resample(nn.Module):
    """Twice or half the resolution, bilinear, and a 1x1 convolution at the smaller size where the width changes.

    Args:
        inputs: channels that come in.
        width: channels that go out.
        up: double; else halve.
    """

    def __init__(self, inputs: int, width: int, *, up: bool) -> None:
        super().__init__()
        self.up = up
        self.widths: nn.Module = nn.Identity()
        if inputs != width:
            self.widths = nn.Conv2d(inputs, width, 1, bias=False)
            draw_normal(self.widths)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, width, 2 H, 2 W) or (N, width, H / 2, W / 2)."""
        if self.up:
            return F.interpolate(self.widths(x), scale_factor=2, mode="bilinear")
        # The mean of 2x2 pixels is what bilinear interpolation has at half the size.
        return self.widths(F.avg_pool2d(x, 2))


class FromBasis(nn.Module):
    """Learnt planes of 4x4, each scaled by a linear function of z: arXiv:2501.05441, appendix.

    Args:
        inputs: entries of z.
        width: planes.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.basis = nn.Parameter(torch.randn(width, BASE, BASE))
        self.linear = nn.Linear(inputs, width, bias=False)
        draw_normal(self.linear)

    def forward(self, z: Tensor) -> Tensor:
        """Map (N, inputs) to (N, width, 4, 4)."""
        return self.linear(z)[:, :, None, None] * self.basis


def stage_widths(resolution: int, width: int, halve_above: int) -> list[int]:
    """Channels at 4, 8, ... px up to the images': `width`, and half as many for each doubling above `halve_above` px.

    Raises:
        ConfigError: if the resolution is not a power of two from 16 to 256, or an option is below 1.
    """
    in_range("width", width, low=1)
    in_range("halve_above", halve_above, low=BASE)
    sizes = [BASE * 2**level for level in range(doublings(resolution, "r3gan") + 1)]
    return [max(width * halve_above // max(size, halve_above), 1) for size in sizes]


class R3ganGenerator(LabelledNetwork):
    """A 4x4 basis scaled by z, blocks at each size, bilinear doublings between them, and 1x1 to pixels.

    The pixels have no bound of their own: arXiv:2501.05441 learns one, and samples are clamped to [-1, 1].

    Args:
        resolution: 16, 32, 64, 128, 256 or 512.
        channels: channels of the images, any.
        latent_dim: entries of z; the paper has 64.
        width: channels of the coarse stages, >= 1.
        halve_above: px above which each doubling halves the channels, >= 4.
        blocks: in each stage, >= 1.
        expansion: times as many channels inside a block, >= 1.
        group: channels that a block's 3x3 convolution joins, >= 1.
        labels: none, or beside: more entries of z.
        label_dim: number of the data's classes or attributes.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        latent_dim: int,
        width: int = 768,
        halve_above: int = 32,
        blocks: int = 2,
        expansion: int = 2,
        group: int = 16,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        super().__init__(labels, ways=("beside",), label_dim=label_dim)
        _check(blocks=blocks, expansion=expansion, group=group)
        widths = stage_widths(resolution, width, halve_above)
        layers: list[nn.Module] = [FromBasis(latent_dim + self.beside_dim, widths[0])]
        for level, now in enumerate(widths):
            if level:
                layers.append(Resample(widths[level - 1], now, up=True))
            layers += [
                InvertedBlock(now, expansion=expansion, group=group, blocks=blocks * len(widths))
                for _ in range(blocks)
            ]
        pixels = nn.Conv2d(widths[-1], channels, 1, bias=False)
        draw_normal(pixels)
        self.layers = nn.Sequential(*layers, pixels)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map z (N, latent_dim) to images (N, channels, resolution, resolution), around [-1, 1]."""
        return self.layers(self.beside(z, labels))


class R3ganDiscriminator(LabelledDiscriminator):
    """The generator's mirror: 1x1 from pixels, blocks and halvings down to 4x4, a 4x4 filter on each plane, a logit.

    Args:
        resolution: 16, 32, 64, 128, 256 or 512.
        channels: channels of the images, any.
        width: channels of the coarse stages, >= 1.
        halve_above: px above which each doubling halves the channels, >= 4.
        blocks: in each stage, >= 1.
        expansion: times as many channels inside a block, >= 1.
        group: channels that a block's 3x3 convolution joins, >= 1.
        labels: none, beside (they are more planes of the image) or projection (arXiv:1802.05637, eq. 3).
        label_dim: number of the data's classes or attributes.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        width: int = 768,
        halve_above: int = 32,
        blocks: int = 2,
        expansion: int = 2,
        group: int = 16,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        super().__init__(labels, label_dim=label_dim, feature_dim=width, local_dim=width)
        _check(blocks=blocks, expansion=expansion, group=group)
        widths = stage_widths(resolution, width, halve_above)[::-1]
        pixels = nn.Conv2d(channels + self.beside_dim, widths[0], 1, bias=False)
        draw_normal(pixels)
        layers: list[nn.Module] = [pixels]
        for level, now in enumerate(widths):
            if level:
                layers.append(Resample(widths[level - 1], now, up=False))
            layers += [
                InvertedBlock(now, expansion=expansion, group=group, blocks=blocks * len(widths))
                for _ in range(blocks)
            ]
        self.body = nn.Sequential(*layers)
        self.basis = nn.Conv2d(width, width, BASE, groups=width, bias=False)
        draw_normal(self.basis)
        self.head = LogitHead(width, self.label_dim_if("projection"))
        for layer in self.head.linears():
            draw_normal(layer)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Judge images (N, channels, resolution, resolution); features are (N, width), local those of 4x4 places."""
        places = self.body(self.beside(images, labels))
        features = self.basis(places).flatten(1)
        return DiscriminatorOutput(self.head(features, labels), features, places)


def _check(*, blocks: int, expansion: int, group: int) -> None:
    in_range("blocks", blocks, low=1)
    in_range("expansion", expansion, low=1)
    in_range("group", group, low=1)
