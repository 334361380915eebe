"""A step is one update of one player; a term is what it descends."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

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
    """

    player: str
    terms: Mapping[str, Term]
    every: int = 1
    label: str = ""

    @cached_property
    def name(self) -> str:
        """Unique within a game. Randomness hangs on it, so the terms of a main step are no part of it."""
        label = self.label or ("+".join(self.terms) if self.every > 1 else "")
        return f"{self.player}/{label}" if label else self.player

    @cached_property
    def differentiates(self) -> frozenset[str]:
        """All tensors that some term differentiates with respect to."""
        return frozenset().union(*(term.differentiates for term in self.terms.values()))


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
    player: str, adversarial: Mapping[str, Term], penalties: Mapping[str, tuple[Term, int]]
) -> list[Step]:
    """One main step with every term of interval 1, and a lazy step for each other penalty."""
    main = dict(adversarial)
    main.update({name: term for name, (term, every) in penalties.items() if every == 1})
    lazy = [
        Step(player, {name: term}, every) for name, (term, every) in penalties.items() if every > 1
    ]
    return [Step(player, main), *lazy]
