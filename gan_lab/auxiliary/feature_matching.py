"""Feature matching: fakes shall have the reals' mean features."""

from __future__ import annotations

from torch import Tensor

from gan_lab.auxiliary.term import Auxiliary, Play, features_of
from gan_lab.common.scalars import Scalar


class FeatureMatching(Auxiliary):
    """|| E[f(x)] - E[f(G(z))] ||^2, a term of the generator: arXiv:1606.03498, section 3.1.

    f are the discriminator's features. Means are those of a micro-batch, so the term changes with `accumulate`.

    Args:
        weight: the generator's factor, >= 0, or a schedule.
    """

    def __init__(self, *, weight: Scalar = 1.0) -> None:
        super().__init__(weight=weight)

    def generator(self, play: Play) -> Tensor:
        """The squared distance of the means."""
        real = features_of(play.on_real).detach().float().mean(dim=0)
        fake = features_of(play.on_fake).float().mean(dim=0)
        return (real - fake).square().sum()
