"""A step is one update of one player; a term is what it descends."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from gan_lab.common.errors import ConfigError, nearest
from gan_lab.engine.schedule import Schedule


@dataclass(frozen=True)
class Term:
    """A weighted scalar of a play.

    Attributes:
        function: maps a play to a float32 scalar tensor, unweighted.
        weight: multiplies it; a schedule over images seen.
        differentiates: names of the play's tensors that must require grad before a network sees them.
    """

    function: Callable[[Any], Tensor]
    weight: Schedule = field(default_factory=lambda: Schedule(start=1.0, end=1.0))
    differentiates: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Step:
    """One update of one player, at every `every`-th of its updates.

    A lazy step (`every` > 1) has its loss multiplied by `every`, so that its long-run strength does not depend on the
    interval (arXiv:1912.04958, appendix B).

    Attributes:
        player: whose parameters move.
        terms: what it descends, by name in conf/.
        every: its interval, in updates of its player.
        label: tells apart several steps of one player; lazy ones are labelled by their terms.
        share: its batch, as a share of the round's: 2 plays twice as many samples, 0.5 half of them.
        carries: tensors of its plays that later steps of the round may take, by name.
        after: a player that moves earlier in the round; its plays then take what that player's step carries.
    """

    player: str
    terms: Mapping[str, Term]
    every: int = 1
    label: str = ""
    share: float = 1.0
    carries: tuple[str, ...] = ()
    after: str = ""

    @cached_property
    def name(self) -> str:
        """Unique within a game. Randomness hangs on it, so the terms of a main step are no part of it."""
        label = self.label or ("+".join(self.terms) if self.every > 1 else "")
        return f"{self.player}/{label}" if label else self.player

    def behind(self, moved: Collection[str]) -> tuple[bool, ...]:
        """Whether the player before it is among those that moved; nothing where it stands behind none."""
        return (self.after in moved,) if self.after else ()

    @cached_property
    def differentiates(self) -> frozenset[str]:
        """All tensors that some term differentiates with respect to."""
        return frozenset().union(*(term.differentiates for term in self.terms.values()))


def share_of(batch: Mapping[str, Tensor], share: float, *, parts: int) -> Mapping[str, Tensor]:
    """The batch of a step: the first rows of the round's, which begin again where a step wants more.

    Args:
        batch: tensors (N, ...) by name.
        share: of N.
        parts: micro-batches that the result is divided into.

    Raises:
        ConfigError: if the result is not a whole number of rows for each part.
    """
    if share == 1:
        return batch
    size = next(iter(batch.values())).shape[0]
    wanted = round(size * share)
    if wanted < 1 or wanted % parts or abs(wanted - size * share) > 1e-6:
        raise ConfigError(
            f"A step with {share:g} of a batch of {size} in accumulate={parts} micro-batches: {size * share:g} rows "
            "cannot be divided so; choose another share (such as model.generator_batch), data.batch_size or accumulate."
        )
    times = math.ceil(share)
    return {
        name: (torch.cat([rows] * times) if times > 1 else rows)[:wanted]
        for name, rows in batch.items()
    }


def parts_of(player: str, parts: Mapping[str, Any]) -> dict[str, Any]:
    """The terms or constraints, by name, that belong to this player."""
    return {name: part for name, part in parts.items() if part.player == player}


def check_players(group: str, parts: Mapping[str, Any], players: Collection[str]) -> None:
    """Raise ConfigError where a part of this group belongs to no player of the game."""
    for name, part in parts.items():
        player = getattr(part, "player", None)
        if player not in players:
            raise ConfigError(
                f"{group}.{name}: {type(part).__name__}.player is {player!r}, but this model's players are "
                f"{', '.join(players)}{nearest(str(player), players) or '.'}"
            )


def steps_of(
    player: str,
    adversarial: Mapping[str, Term],
    penalties: Mapping[str, tuple[Term, int]],
    *,
    share: float = 1.0,
    shares: Mapping[str, float] = MappingProxyType({}),
) -> list[Step]:
    """One main step with every term of interval 1, and a lazy step for each other penalty.

    Args:
        player: who moves.
        adversarial: terms of the main step.
        penalties: more terms, each with its interval.
        share: of the main step's batch.
        shares: of the batches of lazy penalties, by name; 1 for others.
    """
    main = dict(adversarial)
    main.update({name: term for name, (term, every) in penalties.items() if every == 1})
    lazy = [
        Step(player, {name: term}, every, share=shares.get(name, 1.0))
        for name, (term, every) in penalties.items()
        if every > 1
    ]
    return [Step(player, main, share=share), *lazy]
