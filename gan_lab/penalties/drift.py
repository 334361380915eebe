"""A penalty on the size of logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar


class Drift:
    """E[D(x)^2] at reals, which keeps a critic's logits from drifting away: arXiv:1710.10196, appendix A.1.

    Args:
        weight: the paper's epsilon, >= 0, or a schedule.
        every: the term is due at every n-th update of the discriminator, >= 1.
    """

    player: ClassVar[str] = "discriminator"
    differentiates: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, *, weight: Scalar = 1e-3, every: int = 1) -> None:
        if not isinstance(weight, Mapping):
            in_range("weight", weight, low=0)
        in_range("every", every, low=1)
        self.weight, self.every = weight, every

    def __call__(self, play: Any) -> Tensor:
        """Return the unweighted penalty, shape ()."""
        found: Tensor = play.on_real.logits.float().square().mean()
        return found
