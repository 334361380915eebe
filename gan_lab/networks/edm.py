"""A small diffusion network with EDM's preconditioning, which is also a generator of one step.

Elucidating the Design Space of Diffusion-Based Generative Models, arXiv:2206.00364: section 5 and table 1. The network
inside is a U-Net in small, of residual blocks whose gains and biases hang on the noise level.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range


class LevelBlock(nn.Module):
    """Norm, SiLU, 3x3, norm with gain and bias of the noise level, SiLU, 3x3, which is 0 at first; plus a shortcut.

    Args:
        inputs: channels that come in.
        width: channels that go out.
        level_dim: numbers that tell the noise level.
    """

    def __init__(self, inputs: int, width: int, level_dim: int) -> None:
        super().__init__()
        self.norm1 = _norm(inputs)
        self.conv1 = nn.Conv2d(inputs, width, 3, padding=1)
        self.level = nn.Linear(level_dim, 2 * width)
        self.norm2 = _norm(width, affine=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        self.shortcut = nn.Conv2d(inputs, width, 1) if inputs != width else nn.Identity()

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Map (N, inputs, H, W) and levels (N, level_dim) to (N, width, H, W)."""
        h = self.conv1(F.silu(self.norm1(x)))
        gain, bias = self.level(level)[:, :, None, None].chunk(2, dim=1)
        h = self.conv2(F.silu(torch.addcmul(bias, self.norm2(h), 1 + gain)))
        return self.shortcut(x) + h


class LevelBlocks(nn.ModuleList):
    """Blocks of one size, in a row."""

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Map (N, C, H, W) and levels (N, level_dim) through all."""
        for block in self:
            x = block(x, level)
        return x


class UNet(nn.Module):
    """Blocks on the way down, with means of 2x2 between sizes; blocks on the way up, beside what they saw going down.

    Args:
        channels: of the images.
        width: channels at the images' size; twice as many at all smaller sizes.
        sizes: resolutions, each half of the one before, >= 1.
        blocks: at each size and on each way, >= 1.
    """

    def __init__(self, channels: int, width: int, *, sizes: int, blocks: int) -> None:
        super().__init__()
        level_dim = 2 * width
        widths = [width * (1 if index == 0 else 2) for index in range(sizes)]
        self.register_buffer("waves", torch.exp(torch.linspace(0, math.log(100), width)))
        self.level = nn.Sequential(
            nn.Linear(2 * width, level_dim), nn.SiLU(), nn.Linear(level_dim, level_dim), nn.SiLU()
        )  # fmt: skip
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        now, kept = width, [width]
        for own in widths:
            self.down.append(
                LevelBlocks(LevelBlock(i, own, level_dim) for i in [now] + [own] * (blocks - 1))
            )
            now = own
            kept.append(own)
        for own in reversed(widths):
            inputs = [now + own] + [own] * (blocks - 1)
            self.up.append(LevelBlocks(LevelBlock(i, own, level_dim) for i in inputs))
            now = own
        self.last = nn.Sequential(_norm(width), nn.SiLU(), nn.Conv2d(width, channels, 3, padding=1))

    waves: Tensor

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Map images (N, channels, H, W) and levels (N,) to images of the same shape."""
        angles = level[:, None] * self.waves
        level = self.level(torch.cat([angles.cos(), angles.sin()], dim=1))
        h, kept = self.first(x), []
        for index, blocks in enumerate(self.down):
            h = F.avg_pool2d(h, 2) if index else h
            h = blocks(h, level)
            kept.append(h)
        for index, blocks in enumerate(self.up):
            h = F.interpolate(h, scale_factor=2, mode="nearest") if index else h
            h = torch.cat([h, kept.pop()], dim=1)
            h = blocks(h, level)
        return self.last(h)


class EdmGenerator(nn.Module):
    """D(x; sigma) = c_skip x + c_out F(c_in x; c_noise): arXiv:2206.00364, eq. 7, factors of table 1.

    Called with latents alone it is a generator of one step: the denoiser on nothing but noise, D(s z; s) with s the
    sampler's first level, as distillation begins (arXiv:2506.09376).

    Args:
        resolution: a multiple of 2^(sizes - 1).
        channels: channels of the images, any.
        latent_dim: channels * resolution^2, as latent=pixels has it.
        width: channels at the images' size, >= 1; twice as many at smaller sizes.
        sizes: resolutions, each half of the one before, >= 1.
        blocks: at each size and on each way, >= 1.
        sigma_data: deviation of the images' values, > 0; the paper has 0.5.
        sigma_start: the noise level of one step, > 0.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        latent_dim: int,
        width: int = 64,
        sizes: int = 3,
        blocks: int = 2,
        sigma_data: float = 0.5,
        sigma_start: float = 80.0,
    ) -> None:
        super().__init__()
        in_range("width", width, low=1)
        in_range("sizes", sizes, low=1)
        in_range("blocks", blocks, low=1)
        in_range("sigma_data", sigma_data, above=0)
        in_range("sigma_start", sigma_start, above=0)
        if resolution % 2 ** (sizes - 1):
            raise ConfigError(
                f"sizes={sizes}: {resolution} px cannot be halved so often; choose fewer."
            )
        if latent_dim != channels * resolution**2:
            raise ConfigError(
                f"latent.dim={latent_dim}: this network maps noise of an image's size, which is "
                f"{channels * resolution**2} numbers; choose latent=pixels."
            )
        self.shape = (channels, resolution, resolution)
        self.sigma_data, self.sigma_start = sigma_data, sigma_start
        self.network = UNet(channels, width, sizes=sizes, blocks=blocks)

    def forward(self, z: Tensor) -> Tensor:
        """Map z (N, latent_dim) to images (N, channels, resolution, resolution), around [-1, 1], in one step."""
        x = self.sigma_start * z.unflatten(1, self.shape)
        return self.denoise(x, torch.full_like(x[:, 0, 0, 0], self.sigma_start))

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The mean image behind noisy ones.

        Args:
            x: images plus noise of deviation sigma, (N, C, H, W).
            sigma: (N,), > 0.
        """
        level = sigma[:, None, None, None]
        variance, data = level.square(), self.sigma_data**2
        scale = (variance + data).rsqrt()
        found = self.network(x * scale, sigma.log() / 4).float()
        return x * (data * scale.square()) + found * (level * self.sigma_data * scale)


def _norm(channels: int, *, affine: bool = True) -> nn.GroupNorm:
    """Groups of up to 16 channels."""
    groups = max(channels // 16, 1)
    return nn.GroupNorm(groups if channels % groups == 0 else 1, channels, eps=1e-6, affine=affine)
