"""StyleGAN's generator, for any power-of-two resolution from 16 to 256, and every one below it from 4.

A Style-Based Generator Architecture for Generative Adversarial Networks, arXiv:1812.04948, sections 2 and 3 and
appendix C. Styles set the mean and deviation of every channel behind each convolution. It grows as Progressive GAN's
networks do; its discriminator is theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from gan_lab.networks.layers.adain import AdaIN
from gan_lab.networks.layers.blur import Blur
from gan_lab.networks.layers.equalised import ROOT_TWO, EqualisedConv2d, leaky
from gan_lab.networks.layers.growing import Alpha, doubled, grown, level_of
from gan_lab.networks.layers.resolution import widths
from gan_lab.networks.styled import StyledNetwork


class StyledHalf(nn.Module):
    """Noise, a bias, a leaky ReLU and AdaIN, behind a convolution or the constant: arXiv:1812.04948, figure 1b.

    Args:
        channels: that it keeps.
        style_dim: numbers of a style.
        conv: what comes before; None where that is the constant.
    """

    def __init__(self, channels: int, style_dim: int, conv: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = conv
        self.noise_strength = nn.Parameter(torch.zeros(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))
        self.adain = AdaIN(channels, style_dim)

    def forward(self, x: Tensor, style: Tensor, noise: Tensor | None) -> Tensor:
        """Map (N, C, H, W) by styles (N, style_dim) and noise (N, 1, H', W') to (N, channels, H', W')."""
        if self.conv is not None:
            x = self.conv(x)
        if noise is not None:
            x = x + (self.noise_strength * noise).to(x.dtype)
        return self.adain(leaky(x + self.bias.to(x.dtype)), style)


class StyledLevel(nn.Module):
    """The layers of one resolution: two halves with AdaIN, of which the first doubles or is the constant's.

    Args:
        inputs: channels of the coarser level; None at 4 px.
        outputs: channels of this one.
        style_dim: numbers of a style.
    """

    def __init__(self, inputs: int | None, outputs: int, *, style_dim: int) -> None:
        super().__init__()
        first = None
        if inputs is not None:
            first = EqualisedConv2d(inputs, outputs, 3, bias=False, gain=ROOT_TWO)
        second = EqualisedConv2d(outputs, outputs, 3, bias=False, gain=ROOT_TWO)
        # The paper's filter, [1 2 1]: section 2, bilinear upsampling.
        self.blur = None if inputs is None else Blur(padding=1, taps=(1.0, 2.0, 1.0))
        self.first = StyledHalf(outputs, style_dim, first)
        self.second = StyledHalf(outputs, style_dim, second)

    def forward(self, x: Tensor, styles: Tensor, noise: list[Tensor | None]) -> Tensor:
        """Map (N, inputs, H, W) by styles (N, 2, style_dim) and noise of both halves to (N, outputs, 2 H, 2 W)."""
        if self.blur is not None:
            x = self.blur(doubled(x))
        x = self.first(x, styles[:, 0], noise[0])
        return self.second(x, styles[:, 1], noise[1])


class StyleGanGenerator(StyledNetwork):
    """A mapping network, and levels of convolutions with AdaIN from a constant of 4x4 px.

    Args:
        resolution: 16, 32, 64, 128, 256 or 512, of the last level.
        channels: channels of the images, any.
        latent_dim: entries of z; the paper has 512.
        width: channels of the finest level, >= 1.
        max_width: most channels of any level, >= width.
        style_dim: numbers of a style, >= 1.
        mapping_layers: of the mapping network, >= 1.
        mapping_rate: factor of its learning rate, > 0.
        mixing: chance that an image of training has two styles, [0, 1].
        noise: whether every layer adds noise: drawn anew in training, fixed for samples.
        labels: none, or mapping (they reach the mapping network).
        label_dim: number of the data's classes or attributes.
    """

    grows = True

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        latent_dim: int,
        width: int = 64,
        max_width: int = 512,
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
            mapping_layers=mapping_layers, mapping_rate=mapping_rate, mixing=mixing, decay=0.995,
        )  # fmt: skip
        sizes = widths(resolution, width=width, max_width=max_width, family="stylegan")
        self.resolution = resolution
        # Not ones, as in the authors' code: of equal places AdaIN makes zeros, with a slope of 1e4.
        self.constant = nn.Parameter(torch.randn(sizes[0], 4, 4))
        self._build(sizes, channels, style_dim)
        self.styled_layers = 2 * len(sizes)
        self.take_noise([4 << level for level in range(len(sizes)) for _ in (0, 1)], wanted=noise)

    def _build(self, sizes: list[int], channels: int, style_dim: int) -> None:
        """The synthesis network: levels, and the colours of each."""
        first = StyledLevel(None, sizes[0], style_dim=style_dim)
        later = (StyledLevel(one, two, style_dim=style_dim) for one, two in pairwise(sizes))
        self.levels = nn.ModuleList([first, *later])
        self.colours = nn.ModuleList(EqualisedConv2d(size, channels, 1) for size in sizes)

    def forward(
        self,
        z: Tensor,
        labels: Tensor | None = None,
        *,
        side: int | None = None,
        alpha: Alpha | None = None,
        truncation: Tensor | None = None,
        **drawn: Tensor,
    ) -> Tensor:
        """Map z (N, latent_dim) and labels (N, label_dim) to images (N, channels, side, side).

        Args:
            z: latents.
            labels: where this generator takes them.
            side: of the images; None is the last level's.
            alpha: how far that side's level is faded in; None is wholly.
            truncation: share (N, 1) of the way from the mean style that samples go; None is all of it.
            drawn: what `draws` names, in training.

        Returns:
            Not bounded, as in the paper; games cut samples off at -1 and 1.
        """
        images, _ = self.with_styles(
            z, labels, side=side, alpha=alpha, truncation=truncation, **drawn
        )
        return images

    def with_styles(
        self,
        z: Tensor,
        labels: Tensor | None = None,
        *,
        side: int | None = None,
        alpha: Alpha | None = None,
        truncation: Tensor | None = None,
        noise: Tensor | None = None,
        **drawn: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Images, not bounded, and the styles (N, styled layers, style_dim) that they are made of."""
        level = level_of(side or self.resolution)
        styles = self.styles(z, labels, layers=2 * level + 2, truncation=truncation, **drawn)
        return self.synthesis(styles, noise, alpha=alpha), styles

    def synthesis(
        self, styles: Tensor, noise: Tensor | None = None, *, alpha: Alpha | None = None
    ) -> Tensor:
        """Images, not bounded, of styles (N, layers, style_dim), two layers for each level up to the images'.

        Args:
            styles: of every layer.
            noise: standard normal numbers (N, n) of all layers of the last level; None takes the fixed ones.
            alpha: how far the newest level is faded in; None is wholly.
        """
        count, level = styles.shape[0], styles.shape[1] // 2 - 1
        planes = self.planes(noise, count)
        levels: list[Callable[[Tensor], Tensor]] = [
            partial(layer, styles=styles[:, 2 * at : 2 * at + 2], noise=planes[2 * at : 2 * at + 2])
            for at, layer in enumerate(self.levels[: level + 1])
        ]
        x = self.constant.expand(count, -1, -1, -1).to(styles.dtype)
        return grown(x, levels, list(self.colours), level=level, alpha=alpha)
