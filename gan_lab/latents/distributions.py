"""Latent distributions: where a generator's z comes from."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from gan_lab.common.ranges import in_range


class Latent(Protocol):
    """A distribution of latents z (N, dim)."""

    dim: int

    def from_normal(self, normal: Tensor) -> Tensor:
        """Latents (N, dim) from as many standard normal numbers."""


class Normal:
    """Standard normal latents, the choice of nearly all GANs since 2017.

    Args:
        dim: numbers per latent, >= 1.
    """

    def __init__(self, *, dim: int = 128) -> None:
        in_range("dim", dim, low=1)
        self.dim = dim

    def from_normal(self, normal: Tensor) -> Tensor:
        """Latents (N, dim): the numbers themselves."""
        return normal


class Uniform:
    """Latents uniform in [-1, 1], as in the papers of GAN and DCGAN (arXiv:1511.06434, section 4).

    Args:
        dim: numbers per latent, >= 1.
    """

    def __init__(self, *, dim: int = 100) -> None:
        in_range("dim", dim, low=1)
        self.dim = dim

    def from_normal(self, normal: Tensor) -> Tensor:
        """Latents (N, dim): the normal distribution function maps the numbers into [-1, 1]."""
        return torch.erf(normal * 0.5**0.5)
