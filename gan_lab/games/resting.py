"""A discriminator that rests where nobody listens to it: then the generator learns by its other terms alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gan_lab.engine.player import PlayerSpec
from gan_lab.engine.schedule import Schedule
from gan_lab.engine.step import Step
from gan_lab.games.translation import generators_first

if TYPE_CHECKING:
    from gan_lab.games.gan import GAN
else:
    GAN = object  # it is mixed into games, and is none by itself


class RestingJudge(GAN):
    """Mixed into games whose adversarial term has a weight, which may be 0; their generators move first.

    Attributes:
        strength: of the generator's side of the adversarial loss, >= 0.
    """

    strength: Schedule

    @property
    def is_adversarial(self) -> bool:
        """Whether the discriminator plays: somebody listens to it, or reads its features."""
        return max(self.strength.ends()) > 0 or bool(self._auxiliary_terms("generator"))

    def players(self) -> Sequence[PlayerSpec]:
        """The discriminator, if it plays, and the generator, which an EMA follows."""
        return [one for one in super().players() if self.is_adversarial or one.name == "generator"]

    def steps(self) -> Sequence[Step]:
        """The generator's step, then those of the discriminator, if it plays, on what the first has made."""
        steps = super().steps()
        if self.is_adversarial:
            return generators_first(steps, "generator", ("fake",))
        return [step for step in steps if step.player == "generator"]
