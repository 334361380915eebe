"""Diffusion in the same engine: one player learns to take noise away, and a sampler uses it many times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gan_lab.common.ranges import in_range
from gan_lab.engine.module import AdversarialModule
from gan_lab.engine.play import Play, lazy
from gan_lab.engine.player import PlayerSpec
from gan_lab.engine.step import Step, Term
from gan_lab.latents.distributions import Pixels
from gan_lab.networks.edm import EdmGenerator


class NoisyPlay(Play):
    """Images under noise of random levels."""

    @property
    def real(self) -> Tensor:
        """Reals (N, C, H, W) in [-1, 1]."""
        return self.batch["images"]

    @lazy
    def sigma(self) -> Tensor:
        """Noise levels (N,), log-normal: arXiv:2206.00364, table 1."""
        return (
            self.normal("level", (self.size,)) * self.game.level_std + self.game.level_mean
        ).exp()

    @lazy
    def noisy(self) -> Tensor:
        """The images plus noise of these levels (N, C, H, W)."""
        noise = self.normal("noise", tuple(self.real.shape))
        return self.real + self.sigma[:, None, None, None] * noise

    @lazy
    def denoised(self) -> Tensor:
        """What the network finds behind the noise (N, C, H, W)."""
        found: Tensor = self.game.generator.denoise(self.noisy, self.sigma)
        return found


class Diffusion(AdversarialModule):
    """A denoiser alone, trained as EDM, arXiv:2206.00364, section 5; sampled by its Heun solver, algorithm 1.

    Args:
        generator: the network, an EdmGenerator.
        latent: of the sampler's first noise; the one of the images' size.
        sampling_steps: of the solver, >= 1; all but the last call the network twice. The paper has 18 at 32 px.
        level_mean: mean of the logarithm of noise levels in training.
        level_std: their deviation, > 0.
        sigma_min: last noise level of the solver, > 0.
        rho: how much of its steps it spends on low levels, > 0.
    """

    Play = NoisyPlay
    reads: ClassVar[tuple[str, ...]] = ("images",)

    def __init__(
        self,
        *,
        generator: EdmGenerator,
        latent: Pixels,
        sampling_steps: int = 18,
        level_mean: float = -1.2,
        level_std: float = 1.2,
        sigma_min: float = 0.002,
        rho: float = 7.0,
    ) -> None:
        super().__init__()
        in_range("sampling_steps", sampling_steps, low=1)
        in_range("level_std", level_std, above=0)
        in_range("sigma_min", sigma_min, above=0)
        in_range("rho", rho, above=0)
        self.generator, self.latent = generator, latent
        self.sampling_steps, self.sigma_min, self.rho = sampling_steps, sigma_min, rho
        self.level_mean, self.level_std = level_mean, level_std

    def players(self) -> Sequence[PlayerSpec]:
        """The denoiser."""
        return [PlayerSpec("generator", "generator", {"generator": self.generator}, averaged=True)]

    def steps(self) -> Sequence[Step]:
        """One update by the denoising loss."""
        return [Step("generator", {"denoising": Term(self.denoising)})]

    def denoising(self, play: NoisyPlay) -> Tensor:
        """E[ lambda(sigma) (D(y + n; sigma) - y)^2 ]: arXiv:2206.00364, eq. 8 and table 1, the mean over values."""
        data, sigma = self.generator.sigma_data, play.sigma[:, None, None, None]
        weight = (sigma.square() + data**2) / (sigma * data).square()
        return (weight * (play.denoised.float() - play.real).square()).mean()

    @property
    def latent_dim(self) -> int:
        """Numbers of the first noise."""
        return self.latent.dim

    def levels(self) -> list[float]:
        """The solver's noise levels from the first to 0: arXiv:2206.00364, eq. 5."""
        first, last = self.generator.sigma_start ** (1 / self.rho), self.sigma_min ** (1 / self.rho)
        between = max(self.sampling_steps - 1, 1)
        found = [
            (first + step / between * (last - first)) ** self.rho
            for step in range(self.sampling_steps)
        ]
        return [*found, 0.0]

    @torch.no_grad()
    def generate(self, networks: Mapping[str, nn.Module], inputs: Mapping[str, Tensor]) -> Tensor:
        """Images (N, C, H, W) in [-1, 1] from standard normal numbers (N, dim)."""
        network: Any = networks["generator"]
        levels = self.levels()
        x = levels[0] * self.latent.from_normal(inputs["latents"]).unflatten(1, network.shape)
        return heun(network.denoise, x, levels).clamp(-1, 1)


def heun(denoise: Any, x: Tensor, levels: Sequence[float]) -> Tensor:
    """Follow the flow of noise away from x by Heun's second order: arXiv:2206.00364, algorithm 1.

    Args:
        denoise: maps x (N, C, H, W) and levels (N,) to images (N, C, H, W).
        x: noise of the first level, (N, C, H, W).
        levels: falling; the last may be 0, towards which a step is Euler's.
    """
    of_each = x[:, 0, 0, 0]  # len(x) would be a constant of an exported file
    for now, then in pairwise(levels):
        slope = (x - denoise(x, torch.full_like(of_each, now))) / now
        ahead = x + (then - now) * slope
        if then > 0:
            slope = 0.5 * (slope + (ahead - denoise(ahead, torch.full_like(of_each, then))) / then)
            ahead = x + (then - now) * slope
        x = ahead
    return x
