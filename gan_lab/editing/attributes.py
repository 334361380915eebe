"""Directions that have a name: toward a class or an attribute, as a classifier of real images sees it."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_lab.editing.spaces import SEED, Space, sampled_points

RIDGE = 1e-2  # of the regression, relative to the points' mean square


def attribute_directions(
    space: Space,
    scores: Callable[[Tensor], Tensor],
    *,
    count: int = 2000,
    batch_size: int = 64,
    advance: Callable[[int], object] = lambda _: None,
) -> tuple[Tensor, Tensor]:
    """The direction in which the score of each attribute rises fastest, by linear regression over samples.

    In place of InterFaceGAN's hyperplane (arXiv:1907.10786, section 3.2); least squares gives a normal too.

    Args:
        space: of the points.
        scores: maps images (N, C, H, W) in [-1, 1] to scores (N, A), higher where an attribute is seen.
        count: images that are drawn.
        batch_size: images at once.
        advance: called with the number of images that were drawn.

    Returns:
        Unit directions (A, dim), and how well each score follows from the points: the correlation (A,) on a fifth of
        the samples that the regression did not see, in [-1, 1].
    """
    points = sampled_points(space, count, seed=SEED + 1)
    seen = []
    for part in points.split(batch_size):
        with torch.no_grad():
            seen.append(scores(space.draw(part)).double())
        advance(len(part))
    values, where = torch.cat(seen), points.double()
    learned = count - max(1, count // 5)
    centre = where[:learned].mean(dim=0)
    x, y = where - centre, values - values[:learned].mean(dim=0)
    gram = x[:learned].T @ x[:learned]
    gram += (
        RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    )
    found = torch.linalg.solve(gram, x[:learned].T @ y[:learned]).T
    guessed, true = (one[learned:] for one in (x @ found.T, y))
    return F.normalize(found, dim=1).float(), _correlation(guessed, true).float()


def _correlation(first: Tensor, second: Tensor) -> Tensor:
    """Of each column, 0 where one of the two does not vary."""
    first, second = (one - one.mean(dim=0) for one in (first, second))
    sizes = first.square().sum(dim=0).sqrt() * second.square().sum(dim=0).sqrt()
    return (first * second).sum(dim=0) / sizes.clamp_min(1e-12)
