"""Samples from a generator, a pure function of (seed, index): the same for any batch size."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gan_lab.engine.randomness import seed_of
from gan_lab.generation.latents import truncated
from gan_lab.networks.fast.cpu import fast_cpu

if TYPE_CHECKING:
    from gan_lab.engine.module import AdversarialModule

CHUNK = 64
EVALUATION_SEED = 0x5EED  # of the latents that every evaluation scores


def latent_numbers(*, seed: int, start: int, count: int, dim: int) -> Tensor:
    """Standard normal numbers (count, dim) of the samples start .. start + count - 1.

    They are drawn on the CPU by chunks of 64, each from its own seed, so that any rank or batch size sees the same.
    """
    first, last = start // CHUNK, (start + count - 1) // CHUNK
    generator = torch.Generator()
    chunks = []
    for chunk in range(first, last + 1):
        generator.manual_seed(seed_of(seed, "sample", chunk))
        chunks.append(torch.randn(CHUNK, dim, generator=generator))
    return torch.cat(chunks)[start - first * CHUNK :][:count]


def first_numbers(seeds: Sequence[int], *, dim: int) -> Tensor:
    """Standard normal numbers (N, dim) of each seed's first sample, the one that stands for the seed."""
    return torch.cat([latent_numbers(seed=seed, start=0, count=1, dim=dim) for seed in seeds])


class Sampler:
    """Draws images from networks without touching them, their mode or any generator of random numbers.

    Args:
        module: the game, for its latents and its `generate`.
        networks: the averaged player's networks, raw or averaged; copied, and made faster on a CPU as training does.
        seed: of the latents.
        batch_norm: `running` uses the running statistics, `batch` those of each chunk of 64 samples.
        truncation: the largest absolute value of a latent's numbers; None lets them be.
    """

    def __init__(
        self,
        module: AdversarialModule,
        networks: Mapping[str, nn.Module],
        *,
        seed: int = 0,
        batch_norm: str = "running",
        truncation: float | None = None,
    ) -> None:
        self.module = module
        self.seed = seed
        self.batch_norm = batch_norm
        self.truncation = truncation
        self.networks = {name: _for_sampling(n, batch_norm) for name, n in networks.items()}
        self.device = next(next(iter(networks.values())).parameters()).device

    def __call__(self, start: int, count: int) -> Tensor:
        """Images (count, C, H, W) in [-1, 1], float32, of samples start .. start + count - 1."""
        if self.batch_norm == "running":
            return self._drawn(self.seed, start, count)
        first = start // CHUNK * CHUNK
        whole = [self._drawn(self.seed, at, CHUNK) for at in range(first, start + count, CHUNK)]
        return torch.cat(whole)[start - first :][:count]

    def of_seeds(self, seeds: Sequence[int]) -> Tensor:
        """Images (N, C, H, W) of these seeds: the first sample of each."""
        if self.batch_norm == "running":
            numbers = first_numbers(seeds, dim=self.module.latent_dim)
            return self.images(self._truncated(numbers))
        return torch.cat([self._drawn(seed, 0, CHUNK)[:1] for seed in seeds])

    @torch.no_grad()
    def images(self, numbers: Tensor) -> Tensor:
        """Images (N, C, H, W) in [-1, 1], float32, of standard normal numbers (N, latent_dim)."""
        with torch.autocast(self.device.type, enabled=False):
            return self.module.generate(self.networks, numbers.to(self.device), None)

    def _drawn(self, seed: int, start: int, count: int) -> Tensor:
        dim = self.module.latent_dim
        return self.images(
            self._truncated(latent_numbers(seed=seed, start=start, count=count, dim=dim))
        )

    def _truncated(self, numbers: Tensor) -> Tensor:
        if self.truncation is None:
            return numbers
        return truncated(self.module, numbers, self.truncation)


def _for_sampling(network: nn.Module, batch_norm: str) -> nn.Module:
    copied = copy.deepcopy(network).eval()
    if next(copied.parameters()).is_cpu:
        fast_cpu(copied)
    if batch_norm == "batch":
        for module in copied.modules():
            if isinstance(module, _BatchNorm):
                module.train()
    return copied
