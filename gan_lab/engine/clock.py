"""The run's counters: everything is scheduled by images seen, never by Lightning's step counters."""

from __future__ import annotations

from dataclasses import asdict, dataclass

KIMG = 1000


@dataclass
class Clock:
    """Host integers that survive a resume.

    `iteration` counts rounds, `generator_updates` the rounds in which the generators moved, `images_seen` the reals
    shown to the discriminators. `rounds_since_generator` and `last_batch` describe the last round.
    """

    iteration: int = 0
    generator_updates: int = 0
    images_seen: int = 0
    rounds_since_generator: int = 0
    last_batch: int = 0

    def generators_due(self, n_critic: float) -> bool:
        """Whether the round that now begins is the n_critic-th since the generators last moved."""
        return self.rounds_since_generator + 1 >= round(n_critic)

    def advance(self, images: int, generators_moved: bool) -> None:
        """End a round of so many images."""
        self.iteration += 1
        self.images_seen += images
        self.last_batch = images
        self.rounds_since_generator += 1
        if generators_moved:
            self.generator_updates += 1
            self.rounds_since_generator = 0

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

    def state_dict(self) -> dict[str, int]:
        """All counters as plain integers."""
        return asdict(self)
