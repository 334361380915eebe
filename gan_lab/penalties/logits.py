"""Penalties on the logits themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar
from gan_lab.penalties.gradient import Play


class LogitCentring:
    """E[ (D(x) + D(G(z)))^2 ] over pairs: Adversarial Flow Models, arXiv:2511.22475, section 3.

    A relativistic loss sees differences of logits only, so all may drift together; this holds their middle at 0.

    Args:
        weight: the term's factor, >= 0, or a schedule.
        every: the term is due at every n-th update of the discriminator, >= 1.
    """

    player: ClassVar[str] = "discriminator"
    differentiates: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, *, weight: Scalar = 0.01, every: int = 1) -> None:
        if not isinstance(weight, Mapping):
            in_range("weight", weight, low=0)
        in_range("every", every, low=1)
        self.weight = weight
        self.every = every

    def __call__(self, play: Play) -> Tensor:
        """Return the unweighted penalty, shape ()."""
        return (play.on_real.logits.float() + play.on_fake.logits.float()).square().mean()
