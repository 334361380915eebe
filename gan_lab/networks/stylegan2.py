"""StyleGAN2's networks, for any power-of-two resolution from 16 to 256.

Analyzing and Improving the Image Quality of StyleGAN, arXiv:1912.04958, sections 2 to 4 and appendix B. A mapping
network makes styles of latents; modulated convolutions make an image of a constant and the styles. The finest layer
has `width` channels, and each coarser one twice as many up to `max_width`: 64 and 512 are the paper's networks at half
their width for 256 px, config E, and 512 and 512 those for CIFAR-10 of arXiv:2006.06676.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from gan_lab.common.ranges import in_range, one_of
from gan_lab.networks.labelled import LabelledDiscriminator
from gan_lab.networks.layers.blur import Blur, BlurredDoubling, BlurredHalving
from gan_lab.networks.layers.equalised import (
    ROOT_TWO,
    EqualisedConv2d,
    EqualisedHead,
    EqualisedLinear,
    leaky,
)
from gan_lab.networks.layers.minibatch import MinibatchDeviation
from gan_lab.networks.layers.modulated import StyledColours, StyledConv2d
from gan_lab.networks.layers.resolution import widths
from gan_lab.networks.output import DiscriminatorOutput
from gan_lab.networks.styled import StyledNetwork

ROOT_HALF = math.sqrt(0.5)
ARCHITECTURES = ("skip", "resnet", "plain")


class SynthesisBlock(nn.Module):
    """The layers of one resolution: the first doubles, where there is a coarser one.

    Args:
        inputs: channels of the coarser block; None at 4 px, where there is one layer only.
        outputs: channels of this block.
        channels: of the images; None where this block makes none.
        style_dim: numbers of a style.
        residual: whether a 1x1 shortcut is added.
    """

    def __init__(
        self,
        inputs: int | None,
        outputs: int,
        *,
        channels: int | None,
        style_dim: int,
        residual: bool,
    ) -> None:
        super().__init__()
        self.shortcut: nn.Module | None = None
        layers = [
            StyledConv2d(
                inputs or outputs, outputs, style_dim=style_dim, up=bool(inputs), gain=ROOT_TWO
            )
        ]
        if inputs:
            gain = ROOT_TWO
            if residual:
                gain *= ROOT_HALF
                self.shortcut = nn.Sequential(
                    BlurredDoubling(),
                    EqualisedConv2d(inputs, outputs, 1, bias=False, gain=ROOT_HALF),
                )
            layers.append(StyledConv2d(outputs, outputs, style_dim=style_dim, gain=gain))
        self.layers = nn.ModuleList(layers)
        self.colours = (
            None if channels is None else StyledColours(outputs, channels, style_dim=style_dim)
        )

    def forward(self, x: Tensor, styles: Tensor, noise: list[Tensor | None]) -> Tensor:
        """Map (N, inputs, H, W) by a style (N, style_dim) and noise (N, 1, H', W') for each layer."""
        start = x
        for index, layer in enumerate(self.layers):
            x = layer(x, styles[:, index], noise[index])
        return x if self.shortcut is None else self.shortcut(start) + x


class StyleGan2Generator(StyledNetwork):
    """A mapping network, and a synthesis network of modulated convolutions from a constant of 4x4 px.

    Args:
        resolution: 16, 32, 64, 128, 256 or 512.
        channels: channels of the images, any.
        latent_dim: entries of z; the paper has 512.
        width: channels of the finest layers, >= 1.
        max_width: most channels of any layer, >= width.
        architecture: "skip" adds up images of all resolutions, "resnet" has residual blocks, "plain" neither: figure 7.
        style_dim: numbers of a style, >= 1.
        mapping_layers: of the mapping network, >= 1.
        mapping_rate: factor of its learning rate, > 0.
        mixing: chance that an image of training has two styles, [0, 1]: arXiv:1812.04948, section 3.1.
        noise: whether every layer adds noise: drawn anew in training, fixed for samples.
        labels: none, or mapping (they reach the mapping network, arXiv:2006.06676, appendix F).
        label_dim: number of the data's classes or attributes.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        latent_dim: int,
        width: int = 64,
        max_width: int = 512,
        architecture: str = "skip",
        style_dim: int = 512,
        mapping_layers: int = 8,
        mapping_rate: float = 0.01,
        mixing: float = 0.9,
        noise: bool = True,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        super().__init__(
            labels, label_dim=label_dim, latent_dim=latent_dim, style_dim=style_dim,
            mapping_layers=mapping_layers, mapping_rate=mapping_rate, mixing=mixing, decay=0.998,
        )  # fmt: skip
        one_of("architecture", architecture, ARCHITECTURES)
        sizes = widths(resolution, width=width, max_width=max_width, family="stylegan2")
        self.architecture = architecture
        self._build(sizes, channels, style_dim)
        self.take_noise(
            [4 << (layer + 1) // 2 for layer in range(2 * len(sizes) - 1)], wanted=noise
        )

    def _build(self, sizes: list[int], channels: int, style_dim: int) -> None:
        """The synthesis network; every layer takes a style, and the colours of a block that of the next one's first."""
        self.constant = nn.Parameter(torch.randn(sizes[0], 4, 4))
        self.blocks = nn.ModuleList()
        for level, (inputs, outputs) in enumerate(pairwise([None, *sizes])):
            makes = self.architecture == "skip" or level == len(sizes) - 1
            assert outputs is not None
            self.blocks.append(
                SynthesisBlock(
                    inputs, outputs, channels=channels if makes else None, style_dim=style_dim,
                    residual=self.architecture == "resnet",
                )
            )  # fmt: skip
        self.enlarge = BlurredDoubling()
        self.styled_layers = 2 * len(sizes)

    def forward(
        self,
        z: Tensor,
        labels: Tensor | None = None,
        *,
        truncation: Tensor | None = None,
        **drawn: Tensor,
    ) -> Tensor:
        """Map z (N, latent_dim) and labels (N, label_dim) to images (N, channels, resolution, resolution).

        Args:
            z: latents.
            labels: where this generator takes them.
            truncation: share (N, 1) of the way from the mean style that samples go; None is all of it.
            drawn: what `draws` names, in training.

        Returns:
            Not bounded, as in the paper; games cut samples off at -1 and 1.
        """
        images, _ = self.with_styles(z, labels, truncation=truncation, **drawn)
        return images

    def with_styles(
        self,
        z: Tensor,
        labels: Tensor | None = None,
        *,
        truncation: Tensor | None = None,
        noise: Tensor | None = None,
        **drawn: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Images, not bounded, and the styles (N, styled layers, style_dim) that they are made of."""
        styles = self.styles(z, labels, layers=None, truncation=truncation, **drawn)
        return self.synthesis(styles, noise), styles

    def synthesis(self, styles: Tensor, noise: Tensor | None = None) -> Tensor:
        """Images (N, channels, resolution, resolution), not bounded, of styles (N, styled layers, style_dim).

        Args:
            styles: of every layer.
            noise: standard normal numbers (N, n) of all layers; None takes the fixed ones.
        """
        count = styles.shape[0]  # not len, which a trace takes for a constant
        planes = self.planes(noise, count)
        x = self.constant.expand(count, -1, -1, -1).to(styles.dtype)
        images: Tensor | None = None
        at = 0
        for block in cast("Iterable[SynthesisBlock]", self.blocks):
            after = at + len(block.layers)
            x = block(x, styles[:, at:after], planes[at:after])
            at = after
            if block.colours is not None:
                colours = block.colours(x, styles[:, at])
                images = colours if images is None else self.enlarge(images) + colours
        assert images is not None, "the last block makes an image"
        return images


class JudgingBlock(nn.Module):
    """Two 3x3 convolutions, the second of which halves H and W behind a blur.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        residual: whether a 1x1 shortcut is added.
    """

    def __init__(self, inputs: int, outputs: int, *, residual: bool) -> None:
        super().__init__()
        gain = ROOT_TWO * (ROOT_HALF if residual else 1.0)
        self.conv1 = EqualisedConv2d(inputs, inputs, 3, gain=ROOT_TWO)
        self.blur = Blur(padding=2)
        self.conv2 = EqualisedConv2d(inputs, outputs, 3, stride=2, gain=gain)
        self.shortcut: nn.Module | None = None
        if residual:
            self.shortcut = nn.Sequential(
                BlurredHalving(), EqualisedConv2d(inputs, outputs, 1, bias=False, gain=ROOT_HALF)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / 2, W / 2)."""
        found = leaky(self.conv2(self.blur(leaky(self.conv1(x)))))
        return found if self.shortcut is None else self.shortcut(x) + found


class StyleGan2Discriminator(LabelledDiscriminator):
    """Blocks that halve down to 4x4, the deviation of the batch, a convolution, a linear layer and the logit.

    Args:
        resolution: 16, 32, 64, 128, 256 or 512.
        channels: channels of the images, any.
        width: channels of the finest layers, >= 1.
        max_width: most channels of any layer, >= width.
        architecture: "resnet" has residual blocks, "skip" sees images of all resolutions, "plain" neither: figure 7.
        group: images whose deviation is shown to the last layers, >= 1; 1 leaves it out.
        labels: none, beside (they are more planes of the image, arXiv:1411.1784) or projection (arXiv:1802.05637,
            eq. 3; here without the network of layers that arXiv:2006.06676 puts before it).
        label_dim: number of the data's classes or attributes.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        width: int = 64,
        max_width: int = 512,
        architecture: str = "resnet",
        group: int = 4,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        sizes = widths(resolution, width=width, max_width=max_width, family="stylegan2")[::-1]
        last = sizes[-1]
        super().__init__(labels, label_dim=label_dim, feature_dim=last, local_dim=last)
        in_range("group", group, low=1)
        one_of("architecture", architecture, ARCHITECTURES)
        planes = channels + self.beside_dim
        seen = sizes if architecture == "skip" else sizes[:1]
        self.colours = nn.ModuleList(
            EqualisedConv2d(planes, size, 1, gain=ROOT_TWO) for size in seen
        )
        self.halve = BlurredHalving()
        self.blocks = nn.ModuleList(
            JudgingBlock(fine, coarse, residual=architecture == "resnet")
            for fine, coarse in pairwise(sizes)
        )
        self.deviation = MinibatchDeviation(group=group) if group > 1 else nn.Identity()
        self.conv = EqualisedConv2d(last + (group > 1), last, 3, gain=ROOT_TWO)
        self.linear = EqualisedLinear(last * 16, last, gain=ROOT_TWO)
        self.head = EqualisedHead(last, self.label_dim_if("projection"))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Judge images (N, channels, resolution, resolution); features are (N, F), local those of 4x4 places."""
        images = self.beside(images, labels)
        x = leaky(self.colours[0](images))
        for index, block in enumerate(self.blocks):
            x = block(x)
            if len(self.colours) > 1:
                images = self.halve(images)
                x = x + leaky(self.colours[index + 1](images))
        places = leaky(self.conv(self.deviation(x)))
        features = leaky(self.linear(places.flatten(1)))
        return DiscriminatorOutput(self.head(features, labels), features, x)
