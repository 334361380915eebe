"""A U-Net as discriminator: it judges the image as a whole, and each of its pixels.

A U-Net Based Discriminator for Generative Adversarial Networks, arXiv:2002.12655, section 3.1. The blocks are WGAN-GP's
residual ones instead of BigGAN's.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.common.ranges import in_range
from gan_lab.networks.labelled import LabelledDiscriminator
from gan_lab.networks.layers.head import LogitHead
from gan_lab.networks.layers.residual import FirstBlock, ResidualBlock, draw
from gan_lab.networks.layers.resolution import doublings
from gan_lab.networks.layers.spectral import normalise_spectrally
from gan_lab.networks.output import DiscriminatorOutput


class UNetDiscriminator(LabelledDiscriminator):
    """Residual blocks down to 4x4, whose sum over places is judged; and up again, each beside what it was going down.

    Args:
        resolution: 16, 32, 64, 128, 256 or 512.
        channels: channels of the images, any.
        width: channels at half the images' size, >= 1; twice as many for each further halving.
        max_width: most channels, >= 1; None is 8 width.
        spectral_norm: divide each weight by its spectral norm, arXiv:1802.05957.
        labels: none, beside (they are more planes of the image) or projection (arXiv:1802.05637, eq. 3).
        label_dim: number of the data's classes or attributes.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        width: int = 64,
        max_width: int | None = None,
        spectral_norm: bool = True,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        in_range("width", width, low=1)
        most = 8 * width if max_width is None else max_width
        in_range("max_width", most, low=1)
        halvings = doublings(resolution, "unet")
        widths = [min(width * 2**level, most) for level in range(halvings)]
        super().__init__(labels, label_dim=label_dim, feature_dim=widths[-1], local_dim=widths[-1])
        self.down = nn.ModuleList([FirstBlock(channels + self.beside_dim, widths[0])])
        for before, now in pairwise(widths):
            self.down.append(ResidualBlock(now, "none", "down", inputs=before))
        self.up = nn.ModuleList()
        now = widths[-1]
        for beside in [*widths[-2::-1], 0]:
            wanted = beside or widths[0]
            self.up.append(ResidualBlock(wanted, "none", "up", inputs=now))
            now = wanted + beside
        self.pixels = draw(nn.Conv2d(now, 1, 1))
        self.head = LogitHead(widths[-1], self.label_dim_if("projection"))
        for layer in self.head.linears():
            draw(layer)
        if spectral_norm:
            normalise_spectrally(self)

    @property
    def offers(self) -> Mapping[str, Any]:
        """What constructors of later parts may ask for by name: that pixels are judged too."""
        return {**super().offers, "judges_pixels": True}

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Judge images (N, channels, H, W) and their pixels (N, H, W); features are (N, F), local of 4x4 places."""
        h, kept = self.beside(images, labels), []
        for block in self.down:
            h = block(h)
            kept.append(h)
        places = F.relu(kept.pop())
        features = places.sum(dim=(2, 3))
        for block in self.up:
            h = block(h)
            h = torch.cat([h, kept.pop()], dim=1) if kept else h
        pixels = self.pixels(F.relu(h)).float()[:, 0]
        return DiscriminatorOutput(self.head(features, labels), features, places, pixels)
