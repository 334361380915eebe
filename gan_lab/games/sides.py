"""One discriminator's part of a play that has several: what penalties read of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.engine.compiling import differentiable_twice
from gan_lab.engine.module import AdversarialModule
from gan_lab.engine.play import Play
from gan_lab.engine.player import Constraint, PlayerSpec
from gan_lab.engine.schedule import schedule
from gan_lab.engine.step import Term
from gan_lab.networks.output import DiscriminatorOutput


@dataclass(frozen=True)
class OneJudge:
    """A game as a penalty sees it that is taken of one discriminator.

    Attributes:
        judge: the discriminator.
    """

    judge: nn.Module

    def players(self) -> Sequence[PlayerSpec]:
        """The discriminator alone."""
        return [PlayerSpec("discriminator", "discriminator", {"discriminator": self.judge})]


class Side:
    """Reals and fakes of one kind of images, and their discriminator.

    Args:
        play: of all kinds.
        kind: of this one, which stands in the purpose of every draw.
        judge: the discriminator.
        real: (N, C, H, W).
        fake: (N, C, H, W), without a graph.
    """

    real_labels = None
    fake_labels = None

    def __init__(self, play: Play, kind: str, judge: nn.Module, real: Tensor, fake: Tensor) -> None:
        self.play, self.kind, self.judge = play, kind, judge
        self.game = OneJudge(judge)
        self.size = play.size
        self.real = self._leaf("real", real)
        self.fake = self._leaf("fake", fake.detach())

    @property
    def all_real(self) -> Tensor:
        """Reals of the whole batch."""
        return self.play.whole[f"images_{self.kind}"]

    @cached_property
    def on_real(self) -> DiscriminatorOutput:
        """The discriminator on the reals."""
        return self.judge_as("real", self.real, twice=self.play.wants_gradient("real"))

    @cached_property
    def on_fake(self) -> DiscriminatorOutput:
        """The discriminator on the fakes."""
        return self.judge_as("fake", self.fake, twice=self.play.wants_gradient("fake"))

    def discriminate(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """The discriminator on any other images; differentiable twice."""
        del labels
        return cast(DiscriminatorOutput, differentiable_twice(self.judge, images))

    def uniform(self, purpose: str, shape: Sequence[int]) -> Tensor:
        """Numbers uniform in [0, 1)."""
        return self.play.uniform(f"{purpose}/{self.kind}", shape)

    def normal(self, purpose: str, shape: Sequence[int]) -> Tensor:
        """Standard normal numbers."""
        return self.play.normal(f"{purpose}/{self.kind}", shape)

    def note(self, name: str, value: Tensor) -> None:
        """Note a number for a term's `commit`."""
        self.play.note(name, value)

    def _leaf(self, name: str, tensor: Tensor) -> Tensor:
        return tensor.detach().requires_grad_() if self.play.wants_gradient(name) else tensor

    def judge_as(self, of: str, images: Tensor, *, twice: bool = False) -> DiscriminatorOutput:
        """The discriminator on images in the place of the reals or the fakes."""
        del of
        if twice:
            return cast(DiscriminatorOutput, differentiable_twice(self.judge, images))
        return cast(DiscriminatorOutput, self.judge(images))


@dataclass(frozen=True)
class Penalties:
    """Penalties of discriminators with their weights, and constraints.

    Attributes:
        parts: penalties by name.
        constraints: projections of weights.
    """

    parts: Mapping[str, Any]
    constraints: Sequence[Constraint]

    def terms(self, taken: Callable[[Any], Callable[[Any], Tensor]]) -> dict[str, tuple[Term, int]]:
        """Terms with their intervals, where `taken` says how a penalty is taken of a play."""
        return {
            name: (
                Term(
                    taken(part),
                    schedule(part.weight, f"penalty.{name}.weight"),
                    frozenset(part.differentiates),
                ),
                part.every,
            )
            for name, part in self.parts.items()
        }


def owned_penalties(game: AdversarialModule, penalty: Mapping[str, Any]) -> Penalties:
    """Divide a group into penalties and constraints, and let the game own their states."""
    for name, part in penalty.items():
        if any(hasattr(part, own) for own in ("follow", "resting", "commit")):
            raise ConfigError(
                f"penalty.{name}: follows one discriminator, but this model's players are two; leave it out."
            )
    game.keep({f"penalty_{name}": part for name, part in penalty.items()})
    found = {name: part for name, part in penalty.items() if not hasattr(part, "project")}
    for name, part in found.items():
        weight = schedule(part.weight, f"penalty.{name}.weight")
        in_range(f"penalty.{name}.weight", min(weight.ends()), low=0)
    constraints = [cast(Constraint, part) for part in penalty.values() if hasattr(part, "project")]
    return Penalties(found, constraints)


def of_both(penalty: Any) -> Callable[[Any], Tensor]:
    """A penalty of a play with sides: the sum over them."""

    def taken(play: Any) -> Tensor:
        first, *others = (penalty(side) for side in play.sides.values())
        return sum(others, start=first)

    return taken
