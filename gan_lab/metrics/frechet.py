"""The Frechet distance between two Gaussians fitted to features, in float64."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from gan_lab.metrics.statistics import Statistics

BLOCK = 256  # columns at once of a triangular product; 128 and 512 take a tenth longer at d = 2048


class Gaussian:
    """The mean and covariance of n features of length d; each part is computed once, when asked for.

    Args:
        sums: over the features. Where n <= d and `rows` holds all of them, the covariance has rank
            n - 1 and is not factored: the features themselves are used.
    """

    def __init__(self, sums: Statistics) -> None:
        self.sums = sums
        self.few = len(sums.rows) == sums.count <= len(sums.total)

    @cached_property
    def mean(self) -> Tensor:
        """(d,), float64."""
        return self.sums.total / self.sums.count

    @cached_property
    def covariance(self) -> Tensor:
        """C, (d, d), float64, of a sample (n - 1)."""
        squares = torch.addr(self.sums.outer, self.mean, self.sums.total, alpha=-1)
        return squares / (self.sums.count - 1)

    @cached_property
    def spread(self) -> Tensor:
        """X, (n, d), float64, with C = X^T X: centred features over sqrt(n - 1)."""
        return (self.sums.rows.double() - self.mean) / (self.sums.count - 1) ** 0.5

    @cached_property
    def root(self) -> Tensor:
        """A lower triangular L, (d, d), float64, with C = L L^T.

        Cholesky's, where C is definite. Otherwise from C's eigenvalues, those below zero taken as
        zero, at ten times the work. Measured against the SVD, the trace term is then off by 1e-12
        where a feature never moves (Cholesky with a jitter of 1e-12 of the mean variance: 1e-8),
        and by 1e-8 to 7e-7 where distinct images are fewer than features, which sums alone do not
        tell (with that jitter: 2e-7, or no factor at all under large means).
        """
        lower, failed = torch.linalg.cholesky_ex(self.covariance)
        if not bool(failed):
            return lower
        values, vectors = torch.linalg.eigh(self.covariance)
        factor = vectors * values.clamp(min=0).sqrt()
        return torch.linalg.qr(factor.T).R.T

    @property
    def variance(self) -> Tensor:
        """Tr C, (), float64."""
        return self.spread.square().sum() if self.few else self.covariance.trace()


def frechet_distance(first: Gaussian, second: Gaussian) -> Tensor:
    """Return |m - m'|^2 + Tr C + Tr C' - 2 Tr (C C')^(1/2), shape (), float64.

    GANs Trained by a Two Time-Scale Update Rule, arXiv:1706.08500, eq. 6. At least 0 up to rounding,
    which is about 1e-12 of the variances, or 1e-9 with no more images than features.
    """
    apart = (first.mean - second.mean).square().sum()
    return apart + first.variance + second.variance - 2 * trace_of_root(first, second)


def trace_of_root(first: Gaussian, second: Gaussian) -> Tensor:
    """Return Tr (C C')^(1/2), shape (), float64.

    C C' has the eigenvalues of the symmetric L^T C' L with C = L L^T, and, but for zeros, of
    X C' X^T with C = X^T X, which is the smaller one where images are fewer than features. With
    X and X' both at hand their square roots are the singular values of X X'^T.
    """
    if not (first.few or second.few):
        return _sum_of_roots(_congruence(first.root, second.covariance))
    if first.few and second.few:
        few, many = (first, second) if first.sums.count <= second.sums.count else (second, first)
        product = few.spread @ many.spread.T
        # By eigenvalues: half the time of the singular values at n = 2000, and 4e-9 off them at most.
        square = product @ product.T
    else:
        few, many = (first, second) if first.few else (second, first)
        square = few.spread @ many.covariance @ few.spread.T
    return _sum_of_roots(square, zeros=1)  # one: the rows of X add up to zero


def _sum_of_roots(square: Tensor, *, zeros: int = 0) -> Tensor:
    """Return the sum of the roots of a symmetric matrix's eigenvalues, read from its lower half.

    Args:
        square: (k, k), positive semi-definite up to rounding.
        zeros: how many eigenvalues are known to be zero; the root of a zero's rounding error would
            be 1e-8 of the largest one.
    """
    values = torch.linalg.eigvalsh(square, UPLO="L")  # ascending
    return values[zeros:].clamp(min=0).sqrt().sum()


def _congruence(lower: Tensor, symmetric: Tensor) -> Tensor:
    """Return L^T S L in its lower triangle; the rest is not filled. A third of the full products."""
    result = torch.zeros_like(symmetric)
    for at in range(0, len(symmetric), BLOCK):
        below = symmetric[at:, at:] @ lower[at:, at : at + BLOCK]
        result[at:, at : at + BLOCK] = lower[at:, at:].T @ below
    return result
