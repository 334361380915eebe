"""Phases: a run whose rounds change by images seen, such as likelihood first and the game afterwards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gan_lab.engine.clock import KIMG
from gan_lab.engine.schedule import Schedule
from gan_lab.engine.step import Step


@dataclass(frozen=True)
class Phase:
    """A part of a run in which every round has the same steps.

    Attributes:
        steps: which updates a round is made of, in order.
        kimg: how long it lasts, in thousands of images seen; the last phase lasts to the end of the run.
        name: for the log.
        intervals: rounds from one update of a player to its next, by player; others keep what their specs say.
        rates: factors of the learning rates in it, by player.
        batch_size: of its rounds, over all ranks; None is the run's.
        setting: whatever plays need to know of it, such as a resolution; read as `play.phase.setting`.
    """

    steps: Sequence[Step]
    kimg: float = math.inf
    name: str = ""
    intervals: Mapping[str, Schedule] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    batch_size: int | None = None
    setting: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def players(self) -> tuple[str, ...]:
        """Who has steps in it."""
        return tuple(dict.fromkeys(step.player for step in self.steps))


class Phases:
    """The phases of a run in their order; which one it is depends on the images seen alone.

    Args:
        phases: at least one.

    Raises:
        ValueError: if two steps of one phase have one name, and so one randomness.
    """

    def __init__(self, phases: Sequence[Phase]) -> None:
        self.phases = list(phases)
        self.ends: list[float] = []
        end = 0.0
        for phase in self.phases:
            end += phase.kimg * KIMG
            self.ends.append(end)
            names = [step.name for step in phase.steps]
            if len(set(names)) < len(names):
                raise ValueError(
                    f"steps {names}: two have one name, and so one randomness; label them"
                )

    def at(self, images_seen: int) -> Phase:
        """The phase after so many images."""
        for phase, end in zip(self.phases, self.ends, strict=True):
            if images_seen < end:
                return phase
        return self.phases[-1]

    def batch_sizes(self) -> set[int]:
        """Those that phases choose for themselves."""
        return {phase.batch_size for phase in self.phases if phase.batch_size is not None}

    def lazy_intervals(self, player: str) -> list[int]:
        """How often the steps of a player come, in the first phase in which it has some."""
        for phase in self.phases:
            found = [step.every for step in phase.steps if step.player == player]
            if found:
                return found
        return []
