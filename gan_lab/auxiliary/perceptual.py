"""A perceptual term: what was made shall have the features of what it should be."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from gan_lab.auxiliary.term import Auxiliary, Play
from gan_lab.common.scalars import Scalar
from gan_lab.perceptual.distance import PerceptualDistance


class Perceptual(Auxiliary):
    """The perceptual distance of pairs, a term of the generator: arXiv:1609.04802, eq. 5, with another network.

    The network is the small one that ships with the package, see `PerceptualDistance`; papers take VGG19.

    Args:
        weight: the generator's factor, >= 0, or a schedule.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"pairs"})

    def __init__(self, *, weight: Scalar = 10.0) -> None:
        super().__init__(weight=weight)
        self.distance = PerceptualDistance()

    def generator(self, play: Play) -> Tensor:
        """The mean over images."""
        return self.distance(play.fake, play.real).mean()
