"""Latent distributions: where a generator's z comes from."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from gan_lab.common.ranges import in_range
from gan_lab.latents.paths import lerp, slerp

ROOT_HALF = 0.5**0.5


class Latent(Protocol):
    """A distribution of latents z (N, dim).

    It may have `truncated` as Normal has, and `between` as both below have. Without the first, samples cannot be
    truncated; without the second, a walk between samples turns through their normal numbers.
    """

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

    def truncated(self, normal: Tensor, bound: float) -> Tensor:
        """Numbers (N, dim) that follow a normal distribution cut off at -bound and bound, from standard normal ones.

        The truncation trick of BigGAN (arXiv:1809.11096, section 3.1) draws each number beyond the bound again until
        it lies within. That has the law which the quantile function gives here, from one draw. So a seed keeps its
        picture's character: each number moves towards 0 steadily as the bound falls.

        Args:
            normal: (N, dim).
            bound: the largest absolute value, > 0.
        """
        in_range("truncation", bound, above=0)
        share = torch.erf(torch.tensor(bound * ROOT_HALF, dtype=torch.float64))
        # In float64: the distribution function of 6 differs from 1 by 1e-9, which float32 cannot tell.
        within = torch.erfinv(share * torch.erf(normal.double() * ROOT_HALF)) / ROOT_HALF
        return within.clamp(-bound, bound).to(normal.dtype)

    def between(self, start: Tensor, end: Tensor, shares: Tensor) -> Tensor:
        """Numbers (S, dim) on the way from one sample's (dim,) to another's, turning as on a sphere."""
        return slerp(start, end, shares)


class Pixels(Normal):
    """Standard normal latents with a number for each value of an image, for generators that map noise to images.

    Args:
        resolution: side of the images.
        channels: of the images.
    """

    def __init__(self, *, resolution: int, channels: int) -> None:
        super().__init__(dim=channels * resolution**2)


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
        return torch.erf(normal * ROOT_HALF)

    def between(self, start: Tensor, end: Tensor, shares: Tensor) -> Tensor:
        """Numbers (S, dim) whose latents lie on the straight line between two samples'.

        Args:
            start: standard normal numbers (dim,) of the first sample.
            end: of the second.
            shares: (S,) of the way that is gone, in [0, 1].
        """
        first, last = (torch.erf(numbers.double() * ROOT_HALF) for numbers in (start, end))
        found = torch.erfinv(lerp(first, last, shares)) / ROOT_HALF
        found[shares == 0], found[shares == 1] = start.double(), end.double()
        return found.to(start.dtype)
