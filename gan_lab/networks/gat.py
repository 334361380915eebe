"""GAT: a generator and a discriminator that are plain vision transformers.

Scalable GANs with Transformers, arXiv:2509.24935, in pixel space instead of a VAE's latents. Left out: images from
layers in between, which the paper shows the discriminator under noise, and the alignment with a pretrained network.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gan_lab.common.ranges import in_range
from gan_lab.networks.labelled import LabelledDiscriminator, LabelledNetwork
from gan_lab.networks.layers.head import LogitHead
from gan_lab.networks.layers.transformer import (
    Patches,
    Pixels,
    TransformerBlock,
    draw_xavier,
    patches,
)
from gan_lab.networks.output import DiscriminatorOutput


class GatGenerator(LabelledNetwork):
    """A learnt token for each square of the image, and blocks whose norms and branches hang on a style made of z.

    Args:
        resolution: a multiple of `patch`.
        channels: channels of the images, any.
        latent_dim: entries of z.
        width: of the tokens and styles, >= 1.
        depth: blocks, >= 1.
        head_width: numbers that one head of attention compares; a divisor of `width`.
        patch: px of the side of a square.
        rate_width: the width for which the optimizer's rate is meant; others learn rate_width / width times as fast,
            None as fast.
        labels: none, or beside: more entries of z.
        label_dim: number of the data's classes or attributes.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        latent_dim: int,
        width: int = 384,
        depth: int = 12,
        head_width: int = 64,
        patch: int = 4,
        rate_width: int | None = 768,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        super().__init__(labels, ways=("beside",), label_dim=label_dim)
        self.rates = rates_of(width, rate_width)
        in_range("depth", depth, low=1)
        self.mapping = nn.Sequential(
            nn.Linear(latent_dim + self.beside_dim, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )  # fmt: skip
        self.tokens = nn.Parameter(torch.randn(patches(resolution, patch), width))
        self.blocks = nn.ModuleList(
            TransformerBlock(width, head_width=head_width, style_dim=width) for _ in range(depth)
        )
        self.pixels = Pixels(channels, width, patch, side=resolution // patch)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map z (N, latent_dim) to images (N, channels, resolution, resolution), around [-1, 1]."""
        style = self.mapping(self.beside(z, labels))
        x = self.tokens.expand(z.shape[0], -1, -1)
        for block in self.blocks:
            x = block(x, style)
        return self.pixels(x)


class GatDiscriminator(LabelledDiscriminator):
    """A vision transformer, arXiv:2010.11929, with one token more, which is read at the end.

    Args:
        resolution: a multiple of `patch`.
        channels: channels of the images, any.
        width: of the tokens, >= 1.
        depth: blocks, >= 1.
        head_width: numbers that one head of attention compares; a divisor of `width`.
        patch: px of the side of a square.
        rate_width: the width for which the optimizer's rate is meant; others learn rate_width / width times as fast,
            None as fast.
        labels: none, beside (they are more planes of the image) or projection (arXiv:1802.05637, eq. 3).
        label_dim: number of the data's classes or attributes.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        width: int = 384,
        depth: int = 12,
        head_width: int = 64,
        patch: int = 4,
        rate_width: int | None = 768,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        super().__init__(labels, label_dim=label_dim, feature_dim=width, local_dim=width)
        self.rates = rates_of(width, rate_width)
        in_range("depth", depth, low=1)
        self.patches = Patches(resolution, channels + self.beside_dim, width, patch)
        self.reader = nn.Parameter(0.02 * torch.randn(width))
        self.blocks = nn.ModuleList(
            TransformerBlock(width, head_width=head_width) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6, bias=False)  # the logit has one
        self.head = LogitHead(width, self.label_dim_if("projection"))
        draw_xavier(self.head)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Judge images (N, channels, H, W); features are the last token (N, width), local those of squares."""
        tokens = self.patches(self.beside(images, labels))
        x = torch.cat([tokens, self.reader.expand(len(tokens), 1, -1)], dim=1)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        side = round(tokens.shape[1] ** 0.5)
        places = x[:, :-1].transpose(1, 2).unflatten(2, (side, side))
        features = x[:, -1]
        return DiscriminatorOutput(self.head(features, labels), features, places)


def rates_of(width: int, rate_width: int | None) -> Mapping[str, float]:
    """Factor of all weights' rate, arXiv:2509.24935: the wider, the slower, rate_width / width; none for None."""
    in_range("width", width, low=1)
    if rate_width is None:
        return {}
    in_range("rate_width", rate_width, low=1)
    return {"": rate_width / width}
