"""Precision, recall, density and coverage from the nearest neighbours of features."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

ROWS = 1024  # distances of so many points at once; bounds memory


class Neighbourhood(NamedTuple):
    """Four shares; density alone may exceed 1."""

    precision: float
    recall: float
    density: float
    coverage: float


def neighbourhood(reals: Tensor, fakes: Tensor, *, k: int) -> Neighbourhood:
    """Compare two sets of features by balls that reach from each point to its k-th neighbour in its own set.

    Precision is the share of fakes in the ball of some real, recall that of reals in the ball of some fake (Improved
    Precision and Recall, arXiv:1904.06991, eq. 1 and 2). Density counts in how many reals' balls a fake lies, over k;
    coverage is the share of reals whose ball holds a fake (Reliable Fidelity and Diversity, arXiv:2002.09797, eq. 4
    and 5).

    Args:
        reals: (n, d).
        fakes: (m, d).
        k: neighbours, less than n and m.
    """
    reals, fakes = reals.double(), fakes.double()
    of_reals, of_fakes = radii(reals, k), radii(fakes, k)
    precise, recalled, dense, covered = [], torch.zeros(len(reals), dtype=torch.bool), [], None
    recalled = recalled.to(reals.device)
    covered = recalled.clone()
    for at in range(0, len(fakes), ROWS):
        apart = squared_distances(fakes[at : at + ROWS], reals)
        inside = apart <= of_reals
        precise.append(inside.any(dim=1))
        dense.append(inside.sum(dim=1))
        covered |= inside.any(dim=0)
        recalled |= (apart <= of_fakes[at : at + ROWS, None]).any(dim=0)
    return Neighbourhood(
        float(torch.cat(precise).double().mean()),
        float(recalled.double().mean()),
        float(torch.cat(dense).double().mean() / k),
        float(covered.double().mean()),
    )


def radii(points: Tensor, k: int) -> Tensor:
    """Squared distance (n,) from each point to its k-th neighbour among the others."""
    found = []
    for at in range(0, len(points), ROWS):
        apart = squared_distances(points[at : at + ROWS], points)
        own = torch.arange(len(apart), device=points.device)
        apart[own, own + at] = -1.0  # itself comes first, whatever rounding says
        found.append(apart.kthvalue(k + 1, dim=1).values)
    return torch.cat(found)


def squared_distances(some: Tensor, others: Tensor) -> Tensor:
    """Squared Euclidean distances (n, m); in float64 the rounding of the short form does not matter."""
    squares = some.square().sum(dim=1, keepdim=True) + others.square().sum(dim=1)
    return (squares - 2 * some @ others.T).clamp_(min=0)
