"""TransGAN: a generator that grows tokens by pixel shuffle, and a discriminator that reads patches of three sizes.

TransGAN: Two Pure Transformers Can Make One Strong GAN, arXiv:2102.07074, section 3. Other than in the paper, positions
are learnt per token instead of per distance, and norms are plain layer norms.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.networks.labelled import LabelledDiscriminator, LabelledNetwork
from gan_lab.networks.layers.head import LogitHead
from gan_lab.networks.layers.resolution import doublings
from gan_lab.networks.layers.transformer import Patches, TransformerBlock, draw_xavier
from gan_lab.networks.output import DiscriminatorOutput

BASE = 8  # px of the generator's coarsest stage
SCALES = 3  # sizes of the discriminator's patches


def in_grid(planes: Tensor, side: int) -> Tensor:
    """Cut planes (N, C, H, W) into squares of this side, and these into tokens: (N * squares, side^2, C).

    Grid self-attention, arXiv:2102.07074, section 3.3: tokens attend to those of their own square.
    """
    _, channels, height, width = planes.shape
    cut = planes.unflatten(3, (width // side, side)).unflatten(2, (height // side, side))
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(-1, side * side, channels)


def out_of_grid(tokens: Tensor, side: int, size: int) -> Tensor:
    """Put the tokens of `in_grid` back into planes (N, C, size, size)."""
    squares, channels = size // side, tokens.shape[2]
    cut = tokens.reshape(-1, squares, squares, side, side, channels)
    return cut.permute(0, 5, 1, 3, 2, 4).reshape(-1, channels, size, size)


class Stage(nn.Module):
    """Blocks over the pixels of planes, each a token, with a learnt position in front.

    Args:
        width: channels of the planes.
        size: their side.
        depth: blocks.
        head_width: numbers that one head of attention compares.
        grid: side of the squares within which tokens attend to each other.
    """

    def __init__(self, width: int, size: int, depth: int, *, head_width: int, grid: int) -> None:
        super().__init__()
        self.size, self.grid = size, min(grid, size)
        if size % self.grid:
            raise ConfigError(f"grid={grid}: must divide {size}, the side of a stage.")
        self.positions = nn.Parameter(0.02 * torch.randn(width, size, size))
        self.blocks = nn.Sequential(
            *(TransformerBlock(width, head_width=head_width) for _ in range(depth))
        )

    def forward(self, planes: Tensor) -> Tensor:
        """Map planes (N, width, size, size) to the same shape."""
        tokens = in_grid(planes + self.positions, self.grid)
        return out_of_grid(self.blocks(tokens), self.grid, self.size)


class TransganGenerator(LabelledNetwork):
    """z to 8x8 tokens, blocks at each size, and doublings between: pixel shuffle at the end, bicubic before.

    Args:
        resolution: 16, 32, 64, 128, 256 or 512.
        channels: channels of the images, any.
        latent_dim: entries of z; the paper has 256.
        width: channels of the last stage, >= 1.
        shuffles: last doublings by pixel shuffle, each of which leaves a quarter of the channels, >= 1.
        depths: blocks of the stages from 8 px on; the last number holds for all further ones.
        head_width: numbers that one head of attention compares.
        grid: side of the squares within which tokens attend to each other, a power of two.
        labels: none, or beside: more entries of z.
        label_dim: number of the data's classes or attributes.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        latent_dim: int,
        width: int = 64,
        shuffles: int = 2,
        depths: tuple[int, ...] = (5, 4, 2),
        head_width: int = 64,
        grid: int = 16,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        super().__init__(labels, ways=("beside",), label_dim=label_dim)
        in_range("width", width, low=1)
        in_range("shuffles", shuffles, low=1)
        in_range("grid", grid, low=1)
        stages = doublings(resolution, "transgan")
        widths = [width * 4 ** min(stages - 1 - level, shuffles) for level in range(stages)]
        self.widths = widths
        self.first = nn.Linear(latent_dim + self.beside_dim, widths[0] * BASE * BASE)
        self.stages = nn.ModuleList(
            Stage(now, BASE * 2**level, depth, head_width=head_width, grid=grid)
            for level, (now, depth) in enumerate(zip(widths, _depths(depths, stages), strict=True))
        )
        self.pixels = nn.Conv2d(width, channels, 1)
        draw_xavier(self.pixels)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map z (N, latent_dim) to images (N, channels, resolution, resolution), around [-1, 1]."""
        planes = self.first(self.beside(z, labels)).unflatten(1, (-1, BASE, BASE))
        for index, (stage, width) in enumerate(zip(self.stages, self.widths, strict=True)):
            if index:
                planes = _doubled(planes, width)
            planes = stage(planes)
        return self.pixels(planes)


class TransganDiscriminator(LabelledDiscriminator):
    """Patches of one size, then of twice and four times that size beside what was read so far; a last token judges.

    Args:
        resolution: 16, 32, 64, 128, 256 or 512.
        channels: channels of the images, any.
        width: channels at the end, a multiple of 4; a quarter and a half of them before.
        patch: px of the side of the smallest patches.
        depths: blocks at each of the three sizes.
        head_width: numbers that one head of attention compares.
        grid: side of the squares within which tokens attend to each other, a power of two.
        labels: none, beside (they are more planes of the image) or projection (arXiv:1802.05637, eq. 3).
        label_dim: number of the data's classes or attributes.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        width: int = 384,
        patch: int = 2,
        depths: tuple[int, ...] = (3, 3, 3),
        head_width: int = 64,
        grid: int = 16,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        super().__init__(labels, label_dim=label_dim, feature_dim=width, local_dim=width)
        in_range("width", width, low=4)
        if width % 4:
            raise ConfigError(f"width={width}: must be a multiple of 4.")
        channels += self.beside_dim
        size = resolution // patch
        widths = [width // 4, width // 2, width]
        own = [width // 4, width // 4, width // 2]
        self.patches = nn.ModuleList(
            Patches(resolution, channels, own[scale], patch * 2**scale) for scale in range(SCALES)
        )
        self.stages = nn.ModuleList(
            Stage(now, size // 2**scale, depth, head_width=head_width, grid=grid)
            for scale, (now, depth) in enumerate(zip(widths, _depths(depths, SCALES), strict=True))
        )
        self.reader = nn.Parameter(0.02 * torch.randn(width))
        self.last = TransformerBlock(width, head_width=head_width)
        self.norm = nn.LayerNorm(width, eps=1e-6, bias=False)  # the logit has one
        self.head = LogitHead(width, self.label_dim_if("projection"))
        draw_xavier(self.head)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Judge images (N, channels, H, W); features are the last token (N, width), local those of large patches."""
        images = self.beside(images, labels)
        planes: Tensor | None = None
        for patches, stage in zip(self.patches, self.stages, strict=True):
            own = patches(images).transpose(1, 2).unflatten(2, (stage.size, stage.size))
            planes = own if planes is None else torch.cat([F.avg_pool2d(planes, 2), own], dim=1)
            planes = stage(planes)
        assert planes is not None
        tokens = planes.flatten(2).transpose(1, 2)
        tokens = self.last(torch.cat([tokens, self.reader.expand(len(tokens), 1, -1)], dim=1))
        features = self.norm(tokens[:, -1])
        return DiscriminatorOutput(self.head(features, labels), features, planes)


def _doubled(planes: Tensor, width: int) -> Tensor:
    """Twice the size: pixel shuffle where channels become fewer, else bicubic."""
    if planes.shape[1] != width:
        return F.pixel_shuffle(planes, 2)
    return F.interpolate(planes, scale_factor=2, mode="bicubic")


def _depths(depths: Sequence[int], stages: int) -> list[int]:
    """Blocks of each stage."""
    in_range("depths", len(depths), low=1)
    for depth in depths:
        in_range("depths", depth, low=1)
    return [depths[min(index, len(depths) - 1)] for index in range(stages)]
