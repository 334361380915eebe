"""Projected GAN's discriminator: it judges features of a network that never moves, which random convolutions mix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.networks.layers.spectral import normalise_spectrally
from gan_lab.networks.output import DiscriminatorOutput
from gan_lab.perceptual.frozen import Frozen
from gan_lab.perceptual.small import STAGES, WIDTHS, small_network

LAST = 4  # pixels of a side of each judge's logits


class RandomConvolution(nn.Module):
    """A convolution without a bias whose weights were drawn once (He et al., arXiv:1502.01852, eq. 10) and never move.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        side: of the kernel, odd; the images' size is kept.
    """

    weight: Tensor

    def __init__(self, inputs: int, outputs: int, side: int) -> None:
        super().__init__()
        drawn = torch.empty(outputs, inputs, side, side)
        self.register_buffer("weight", nn.init.kaiming_normal_(drawn, nonlinearity="linear"))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H, W)."""
        return F.conv2d(x, self.weight, padding=self.weight.shape[-1] // 2)


class ProjectedDiscriminator(nn.Module):
    """Four judges, each of one stage of a frozen network: arXiv:2111.01007, section 3.

    Features of each stage are mixed over channels (CCM, section 3.2), then over scales from the coarsest on (CSM,
    section 3.2). The frozen network is the package's small one, which knows CIFAR-10's classes; the paper takes an
    EfficientNet of ImageNet, so its numbers are not to be expected. A judge halves its planes down to 4 x 4 logits.

    Args:
        resolution: side of the images: 32, 64, 128 or another power of 2.
        channels: of the images, 1 or 3.
        width: channels after mixing, and of the judges' first layer, >= 1.
        mix_scales: whether coarser stages flow into finer ones.
        spectral_norm: divide each weight of the judges by its spectral norm, arXiv:1802.05957.

    Raises:
        ConfigError: if images have another side or other channels.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        width: int = 64,
        mix_scales: bool = True,
        spectral_norm: bool = True,
    ) -> None:
        super().__init__()
        in_range("width", width, low=1)
        least = LAST << (len(WIDTHS) - 1)
        if resolution < least or resolution.bit_count() > 1 or channels not in (1, 3):
            raise ConfigError(
                f"discriminator: judges features of images with 1 or 3 channels and {least}, {2 * least}, {4 * least} "
                f"... pixels, and these have {channels} and {resolution}; choose another discriminator."
            )
        self.frozen = Frozen(small_network)
        self.frozen.open()  # it ships with the package, so it is there at once
        self.mix_scales = mix_scales
        self.channel_mixing = nn.ModuleList(RandomConvolution(one, width, 1) for one in WIDTHS)
        self.scale_mixing = nn.ModuleList(RandomConvolution(width, width, 3) for _ in WIDTHS)
        sides = [resolution >> stage for stage in range(len(WIDTHS))]
        self.judges = nn.ModuleList(_judge(width, side) for side in sides)
        self.decisions = nn.ModuleList(nn.Conv2d(width, 1, 3, padding=1, bias=False) for _ in sides)
        self.width = width
        if spectral_norm:
            normalise_spectrally(self)

    @property
    def offers(self) -> Mapping[str, Any]:
        """What auxiliary terms may read: the size of features, which are means over the coarsest judge's places."""
        return {"feature_dim": self.width}

    def projected(self, images: Tensor) -> list[Tensor]:
        """Mixed features of images (N, C, H, W) in [-1, 1]: (N, width, h, w) of each stage, from fine to coarse."""
        maps = self.frozen(images.expand(-1, 3, -1, -1), STAGES)
        mixed = [mix(map_) for mix, map_ in zip(self.channel_mixing, maps, strict=True)]
        if not self.mix_scales:
            return mixed
        found = [self.scale_mixing[-1](mixed[-1])]
        for mix, own in zip(reversed(self.scale_mixing[:-1]), reversed(mixed[:-1]), strict=True):
            coarser = F.interpolate(found[0], scale_factor=2.0, mode="bilinear")
            found.insert(0, mix(own + coarser))
        return found

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        """Judge images (N, C, H, W) in [-1, 1]: logits (N, 64), 4 x 4 of each stage."""
        places = [
            judge(one) for judge, one in zip(self.judges, self.projected(images), strict=True)
        ]
        logits = [
            decide(one).flatten(1) for decide, one in zip(self.decisions, places, strict=True)
        ]
        return DiscriminatorOutput(
            torch.cat(logits, dim=1), places[-1].mean(dim=(2, 3)), places[-1]
        )


def _judge(width: int, side: int) -> nn.Module:
    """Halvings of planes down to 4 x 4, and a layer where there is nothing to halve."""
    layers: list[nn.Module] = []
    while side > LAST:
        layers += [nn.Conv2d(width, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        side //= 2
    return nn.Sequential(*(layers or [nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(0.2)]))
