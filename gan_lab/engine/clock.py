"""The run's counters: everything is scheduled by images seen, never by Lightning's step counters."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

KIMG = 1000


@dataclass
class Clock:
    """Host integers that survive a resume.

    `iteration` counts rounds, `generator_updates` the rounds in which a generator moved, `images_seen` the records of
    the data (images; texts, where data is text) that rounds have consumed. `last_batch` is the last round's part.

    `updates` counts by player the rounds in which it moved, and `waited` those since then.
    """

    iteration: int = 0
    generator_updates: int = 0
    images_seen: int = 0
    last_batch: int = 0
    updates: dict[str, int] = field(default_factory=dict)
    waited: dict[str, int] = field(default_factory=dict)

    @classmethod
    def restored(cls, state: Mapping[str, Any], roles: Mapping[str, str]) -> Clock:
        """A stored clock; an older one counted generators together, and its other players in every round.

        Args:
            state: what `state_dict` returned, maybe of an older version.
            roles: of the players, by name.
        """
        counts = dict(state)
        since = counts.pop("rounds_since_generator", None)
        clock = cls(**counts)
        if since is not None:
            makers = {name for name, role in roles.items() if role == "generator"}
            for name in roles:
                one = name in makers
                clock.updates[name] = clock.generator_updates if one else clock.iteration
                clock.waited[name] = since if one else 0
        return clock

    def due(self, player: str, interval: float) -> bool:
        """Whether the round that now begins is the interval-th since this player last moved."""
        return self.waited.get(player, 0) + 1 >= round(interval)

    def advance(self, images: int, moved: Collection[str], *, generators_moved: bool) -> None:
        """End a round of so many images, in which these players moved."""
        self.iteration += 1
        self.images_seen += images
        self.last_batch = images
        self.generator_updates += generators_moved
        for player in self.waited:
            self.waited[player] += 1
        for player in moved:
            self.updates[player] = self.updates.get(player, 0) + 1
            self.waited[player] = 0

    def crossed(self, every_kimg: float) -> bool:
        """Whether the last round crossed a multiple of every_kimg; 0 or less means never."""
        every = every_kimg * KIMG
        if every <= 0 or self.iteration == 0:
            return False
        return self.images_seen // every > (self.images_seen - self.last_batch) // every

    @property
    def kimg(self) -> float:
        """Thousands of images seen."""
        return self.images_seen / KIMG

    def counters(self) -> dict[str, int]:
        """The three counters that every record carries."""
        return {
            "iteration": self.iteration,
            "generator_updates": self.generator_updates,
            "images_seen": self.images_seen,
        }

    def state_dict(self) -> dict[str, Any]:
        """All counters as plain integers; those of players by name."""
        return asdict(self)
