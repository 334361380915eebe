"""StyleGAN3's generator, for any power-of-two resolution from 16 to 512.

Alias-Free Generative Adversarial Networks, arXiv:2106.12423. Every layer is a map of continuous signals: what it makes
fits the samples that it is kept in, so an image whose input moves moves as a whole, also by parts of a pixel. The
configuration T moves so; R turns too. The discriminator is StyleGAN2's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gan_lab.common.ranges import in_range, one_of
from gan_lab.networks.layers.filters import FilteredLeaky, jinc_lowpass, sinc_lowpass
from gan_lab.networks.layers.fourier import FourierInput
from gan_lab.networks.layers.modulated import ModulatedConv2d, StyledColours
from gan_lab.networks.layers.resolution import doublings
from gan_lab.networks.styled import StyledNetwork

FIRST_CUTOFF = 2.0  # f_c,0, in waves for a side of the image: section 3.2 and appendix F
FIRST_STOP = 2.0**2.1  # f_t,0
LAST_STOP = 2.0**0.3  # f_t,N in units of the last cutoff
TAPS = 6  # n, of a filter at a factor of one
RAISED = 2  # m, by how much activations work at a higher rate
MEAN_STYLE_DECAY = 0.999  # both steps of a round move it; the root of the authors' 0.998
COLOURS = 0.25  # of what the last layer makes, so that images begin small
EQUIVARIANCES = ("translation", "rotation")


class Band(NamedTuple):
    """What a layer's output holds: section 3.2, flexible layer specifications, and appendix F, eqs. 10 and 11.

    Attributes:
        cutoff: highest frequency that is kept, in waves for a side of the image.
        half: half of the width of the transition band behind it.
        rate: pixels for a side of the image.
        size: pixels of a side with margins.
        channels: that there are.
    """

    cutoff: float
    half: float
    rate: int
    size: int
    channels: int


def bands(
    resolution: int, *, layers: int, critical: int, margin: int, width: int, max_width: int
) -> list[Band]:
    """The band of each layer's output, 0 being that of the input: layers + 1 of them, without that of colours.

    Cutoffs and stopbands grow as a geometric series until the last `critical` layers, whose cutoff is half of their
    rate. Channels fall as cutoffs rise.

    Args:
        resolution: of the images.
        layers: between the input and the colours.
        critical: last layers that use all that their rate can hold.
        margin: pixels beyond each border of the image; the last two bands have none.
        width: channels where the cutoff is highest.
        max_width: most channels.
    """
    last = resolution / 2
    found = []
    for layer in range(layers + 1):
        share = min(layer / (layers - critical), 1.0)
        cutoff = FIRST_CUTOFF * (last / FIRST_CUTOFF) ** share
        stop = FIRST_STOP * (last * LAST_STOP / FIRST_STOP) ** share
        rate = 2 ** math.ceil(math.log2(min(2 * stop, resolution)))
        half = max(stop, rate / 2) - cutoff
        size = rate + 2 * margin if layer < layers - 1 else resolution
        channels = min(round(width * last / cutoff), max_width)
        found.append(Band(cutoff, half, rate, size, channels))
    return found


class Magnitudes(nn.Module):
    """Running means of the squares of what comes into each layer, by which it is scaled: section 3.2, config D.

    As with a mean style, a call in training leaves its own means in a buffer, and `commit` moves the running ones once
    for each update.

    Args:
        layers: that there are.
        decay: what an update leaves of the old means, in [0, 1).
    """

    mean: Tensor
    latest: Tensor

    def __init__(self, layers: int, *, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("mean", torch.ones(layers))
        self.register_buffer("latest", torch.ones(layers), persistent=False)

    def gain(self, layer: int, x: Tensor) -> Tensor:
        """What brings x (N, C, H, W) to about unit size, (); in training it is looked at for later updates."""
        if self.training:
            with torch.no_grad():
                self.latest[layer].copy_(x.float().square().mean())
        return self.mean[layer].rsqrt()

    def notes(self) -> dict[str, Tensor]:
        """The means of the last call."""
        return {"magnitude": self.latest}

    def commit(self, noted: dict[str, Tensor]) -> None:
        """Move the running means."""
        if "magnitude" in noted:
            self.mean.lerp_(noted["magnitude"], 1 - self.decay)


class AliasFreeLayer(nn.Module):
    """A modulated convolution, a bias, and an activation between filters: figure 4b.

    Args:
        before: band of what comes in.
        after: band of what goes out.
        kernel: side of the convolution's filters.
        radial: whether the last filter is the same in all directions.
        style_dim: numbers of a style.
    """

    def __init__(
        self, before: Band, after: Band, *, kernel: int, radial: bool, style_dim: int
    ) -> None:
        super().__init__()
        # With the whole border the planes grow; the activation gives back what the margins have too much.
        self.conv = ModulatedConv2d(
            before.channels, after.channels, kernel, style_dim=style_dim, padding=kernel - 1
        )
        self.bias = nn.Parameter(torch.zeros(after.channels))
        rate = RAISED * max(before.rate, after.rate)
        up, down = rate // before.rate, rate // after.rate
        lowpass = jinc_lowpass if radial else sinc_lowpass
        self.activation = FilteredLeaky(
            before.size + kernel - 1,
            after.size,
            up=up,
            down=down,
            up_filter=sinc_lowpass(
                TAPS * up, cutoff=before.cutoff, width=2 * before.half, rate=rate
            ),
            down_filter=lowpass(TAPS * down, cutoff=after.cutoff, width=2 * after.half, rate=rate),
        )

    def forward(self, x: Tensor, style: Tensor, gain: Tensor) -> Tensor:
        """Map (N, inputs, H, W) by styles (N, style_dim) to (N, outputs, H', W'); `gain` scales what comes in."""
        found, factors = self.conv(x, style)
        x = found * (factors * gain).to(found.dtype) + self.bias[:, None, None].to(found.dtype)
        return self.activation(x)


class StyleGan3Generator(StyledNetwork):
    """A mapping network, and a synthesis network of alias-free layers from waves that the style moves.

    Args:
        resolution: 16, 32, 64, 128, 256 or 512.
        channels: channels of the images, any.
        latent_dim: entries of z; the paper has 512.
        width: channels of the finest layers, >= 1.
        max_width: most channels of any layer, >= width.
        layers: between the waves and the colours, >= 2.
        critical: last layers, without margin of frequencies, in [1, layers).
        margin: pixels that layers have beyond the image's borders, >= 0.
        equivariance: "translation" (config T), or "rotation" too (config R): 1x1 convolutions and radial filters; the
            paper doubles width and max_width then.
        magnitude_decay: of the running means of layers' inputs, in [0, 1); both steps of a round move them, so that the
            square root of the authors' 0.999 forgets as fast.
        style_dim: numbers of a style, >= 1.
        mapping_layers: of the mapping network, >= 1.
        mapping_rate: factor of its learning rate, > 0.
        labels: none, or mapping (they reach the mapping network, arXiv:2006.06676, appendix F).
        label_dim: number of the data's classes or attributes.
    """

    translates = True

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        latent_dim: int,
        width: int = 64,
        max_width: int = 512,
        layers: int = 14,
        critical: int = 2,
        margin: int = 10,
        equivariance: str = "translation",
        magnitude_decay: float = 0.9995,
        style_dim: int = 512,
        mapping_layers: int = 2,
        mapping_rate: float = 0.01,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        super().__init__(
            labels, label_dim=label_dim, latent_dim=latent_dim, style_dim=style_dim,
            mapping_layers=mapping_layers, mapping_rate=mapping_rate, mixing=0.0, decay=MEAN_STYLE_DECAY,
        )  # fmt: skip
        doublings(resolution, "stylegan3")
        in_range("width", width, low=1)
        in_range("max_width", max_width, low=width)
        in_range("layers", layers, low=2)
        in_range("critical", critical, low=1, high=layers - 1)
        in_range("margin", margin, low=0)
        in_range("magnitude_decay", magnitude_decay, low=0, below=1)
        one_of("equivariance", equivariance, EQUIVARIANCES)
        plan = bands(
            resolution, layers=layers, critical=critical, margin=margin, width=width,
            max_width=max_width,
        )  # fmt: skip
        self._build(plan, channels, style_dim, turns=equivariance == "rotation", critical=critical)
        self.magnitudes = Magnitudes(layers + 1, decay=magnitude_decay)
        self.styled_layers = layers + 2

    def _build(
        self, plan: Sequence[Band], channels: int, style_dim: int, *, turns: bool, critical: int
    ) -> None:
        """The synthesis network; the input, every layer and the colours take a style each."""
        first, layers = plan[0], len(plan) - 1
        self.waves = FourierInput(
            first.channels, size=first.size, rate=first.rate, band=first.cutoff,
            style_dim=style_dim,
        )  # fmt: skip
        # What the input makes is the band of the first layer's input, and of its output too.
        spans = list(pairwise([first, *plan[:-1]]))
        self.layers = nn.ModuleList(
            AliasFreeLayer(
                before, after, kernel=1 if turns else 3, style_dim=style_dim,
                # A square grid that is full of frequencies has no room for a disc's.
                radial=turns and layer < layers - critical,
            )
            for layer, (before, after) in enumerate(spans)
        )  # fmt: skip
        self.colours = StyledColours(plan[-2].channels, channels, style_dim=style_dim)

    def forward(
        self,
        z: Tensor,
        labels: Tensor | None = None,
        *,
        truncation: Tensor | None = None,
        shift: Tensor | None = None,
    ) -> Tensor:
        """Map z (N, latent_dim) and labels (N, label_dim) to images (N, channels, resolution, resolution).

        Args:
            z: latents.
            labels: where this generator takes them.
            truncation: share (N, 1) of the way from the mean style that samples go; None is all of it.
            shift: how far images move to the right and down (N, 2), in sides of the image; None is not at all.

        Returns:
            Not bounded, as in the paper; games cut samples off at -1 and 1.
        """
        images, _ = self.with_styles(z, labels, truncation=truncation, shift=shift)
        return images

    def with_styles(
        self,
        z: Tensor,
        labels: Tensor | None = None,
        *,
        truncation: Tensor | None = None,
        shift: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Images, not bounded, and the styles (N, styled layers, style_dim) that they are made of."""
        styles = self.styles(z, labels, truncation=truncation)
        return self.synthesis(styles, shift), styles

    def synthesis(self, styles: Tensor, shift: Tensor | None = None) -> Tensor:
        """Images (N, channels, resolution, resolution), not bounded, of styles (N, styled layers, style_dim).

        Args:
            styles: of the input, every layer and the colours.
            shift: how far images move (N, 2), as of `forward`.
        """
        x = self.waves(styles[:, 0], shift)
        for index, layer in enumerate(self.layers):
            x = layer(x, styles[:, index + 1], self.magnitudes.gain(index, x))
        gain = self.magnitudes.gain(len(self.layers), x)
        images: Tensor = self.colours(x, styles[:, -1], gain)
        return COLOURS * images

    def notes(self) -> dict[str, Tensor]:
        """What the last call in training leaves for the engine to average: means of styles and of squares."""
        return {**super().notes(), **self.magnitudes.notes()}
