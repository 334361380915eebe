"""What is shown of training while it goes on, read from numbers of the host by the thread that draws."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gan_lab.callbacks.forecast import seconds_left
from gan_lab.callbacks.run_state import RunState
from gan_lab.common.durations import clock_text
from gan_lab.engine.clock import KIMG, Clock
from gan_lab.process.layout import Line, bar, number, packed, plain

if TYPE_CHECKING:
    from gan_lab.engine.module import AdversarialModule

SHORT = {"loss/discriminator": "D", "loss/generator": "G"}


class TrainingBlock:
    """How far training is, its pace, its losses, and what it does right now.

    Training writes nothing for it: the clock's integers, the name of the step that is being made and the values of
    the last record are there anyway. A device is never asked.

    Args:
        run: with the stop and the last metric.
        module: that trains.
    """

    def __init__(self, run: RunState, module: AdversarialModule) -> None:
        self.run = run
        self.module = module
        self.values: Mapping[str, float] = {}  # of the last record; replaced, never changed
        self._begun = time.perf_counter()
        self._images = module.clock.images_seen
        self._evaluated = run.evaluated
        self._part: tuple[int, str] = (-1, "")
        self._part_begun = self._begun

    def speed(self, clock: Clock) -> float | None:
        """Images per second: the last record's, and before the first one the mean since the start."""
        if (known := self.values.get("speed/images_per_s")) is not None:
            return known
        images = clock.images_seen - self._images
        taken = time.perf_counter() - self._begun - (self.run.evaluated - self._evaluated)
        return images / max(taken, 1e-9) if images else None

    def pace(self, clock: Clock) -> list[str]:
        """Kimg, images per second, seconds per kimg, and the time that is left."""
        whole = self.run.stop.max_images / KIMG
        end = f" of {whole:,.10g}" if whole < float("inf") else ""
        parts = [f"{clock.kimg:,.1f}{end} kimg"]
        if speed := self.speed(clock):
            parts += [f"{number(speed)} images/s", f"{number(KIMG / speed)} s/kimg"]
            left = seconds_left(self.run, clock, speed)
            parts += [] if left is None else [f"{clock_text(left)} left"]
        return parts

    def losses(self) -> str:
        """The players' losses in the last record."""
        return "  ".join(
            f"{SHORT.get(key, key[5:])} {value:.3f}"
            for key, value in self.values.items()
            if key.startswith("loss/") and key.count("/") == 1
        )

    def now(self, clock: Clock) -> str:
        """The round, and where it takes long, the step of it that is being made."""
        step = getattr(getattr(self.module, "draws", None), "step", "")
        if (clock.iteration, step) != self._part:
            self._part, self._part_begun = (clock.iteration, step), time.perf_counter()
        taken = time.perf_counter() - self._part_begun
        most = self.run.stop.max_rounds
        end = f" of {most:,.0f}" if most < float("inf") else ""
        said = f"round {min(clock.iteration + 1, most):,.0f}{end}"
        if taken >= 0.5 and step:
            said += f": {step}, for {taken:,.1f} s"  # tenths, so that it is seen to go on
        if self.run.interrupts.pending is not None:
            return f"stopping and saving after {said}"
        return said

    def lines(self, columns: int, *, top: bool) -> list[Line]:
        """Three or four lines; the last one is left to what goes on inside, such as an evaluation."""
        clock = self.module.clock
        share = self.run.stop.share(clock)
        taken = clock_text(time.perf_counter() - self._begun)
        head = (
            [("Training", "bold"), (f", for {taken}", "")]
            if share is None
            else bar("Training", share, columns)
        )
        found = [
            self.losses() or f"losses after round {self.module.options.log_every_rounds:,}",
            *list(self.run.shown.values()),
        ]
        told = [*packed(self.pace(clock), columns), *packed(found, columns, "   ")]
        now = self.now(clock)
        if top:
            told.append(now)
        else:
            self._part_begun = time.perf_counter()
        return [head, *(plain(line) for line in told)]

    def tick(self) -> str | None:
        """One line; before the first record where a round takes its time."""
        clock = self.module.clock
        if not self.values and time.perf_counter() - self._begun < 1.0:
            return None
        now = [] if self.values and clock.iteration != self._part[0] else [self.now(clock)]
        self.now(clock)
        told = [*self.pace(clock), self.losses(), *list(self.run.shown.values()), *now]
        return "  ".join(filter(None, told))
