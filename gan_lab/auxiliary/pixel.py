"""Terms that compare what a generator made of a source with what it should have made."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from gan_lab.auxiliary.term import Auxiliary, Play
from gan_lab.common.ranges import one_of
from gan_lab.common.scalars import Scalar


class Pixel(Auxiliary):
    """The mean distance of pixels, a term of the generator: arXiv:1611.07004, eq. 3.

    Args:
        weight: the generator's factor, >= 0, or a schedule.
        norm: l1 (absolute) or l2 (squared).
    """

    needs: ClassVar[frozenset[str]] = frozenset({"pairs"})

    def __init__(self, *, weight: Scalar = 100.0, norm: str = "l1") -> None:
        super().__init__(weight=weight)
        one_of("norm", norm, ("l1", "l2"))
        self.norm = norm

    def generator(self, play: Play) -> Tensor:
        """The mean over all pixels."""
        difference = play.fake.float() - play.real.float()
        return (difference.abs() if self.norm == "l1" else difference.square()).mean()
