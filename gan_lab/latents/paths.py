"""Ways from one point to another: the straight line, and the arc of a sphere."""

from __future__ import annotations

import torch
from torch import Tensor

PARALLEL = 1e-6  # sine of an angle below which two directions, or opposite ones, have no plane between them


def lerp(start: Tensor, end: Tensor, shares: Tensor) -> Tensor:
    """Points (S, dim) of the straight line from `start` (dim,) to `end` at these shares (S,) of the way."""
    share = shares.to(start)[:, None]
    return start * (1 - share) + end * share


def slerp(start: Tensor, end: Tensor, shares: Tensor) -> Tensor:
    """Points (S, dim) of the arc from `start` (dim,) to `end` at these shares (S,) of the way.

    The direction turns at a steady speed (Shoemake, Animating rotation with quaternion curves, 1985) and the length
    goes steadily from one to the other. A straight line between two normal latents of many numbers would cut through
    the middle, where hardly any latent of training lies (arXiv:1609.04468). Points without an arc
    between them, parallel or opposite ones, are joined by the line.

    Args:
        start: where share 0 is, to the bit.
        end: where share 1 is, to the bit.
        shares: in [0, 1].
    """
    a, b, share = start.double(), end.double(), shares.double()[:, None]
    lengths = a.norm(), b.norm()
    if min(lengths) == 0:
        return lerp(start, end, shares)
    directions = a / lengths[0], b / lengths[1]
    # Of the difference and the sum, since the arc cosine of a product near 1 has half the digits only.
    angle = 2 * torch.atan2(
        (directions[0] - directions[1]).norm(), (directions[0] + directions[1]).norm()
    )
    if angle.sin() < PARALLEL:
        return lerp(start, end, shares)
    turned = ((1 - share) * angle).sin() * directions[0] + (share * angle).sin() * directions[1]
    found = turned / angle.sin() * ((1 - share) * lengths[0] + share * lengths[1])
    found[shares == 0], found[shares == 1] = a, b
    return found.to(start.dtype)
