"""The log of training: values every so many rounds, and a bar or plain lines for people."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from gan_lab.callbacks.base import AfterRound
from gan_lab.callbacks.limits import Limits
from gan_lab.common.errors import GanLabError
from gan_lab.engine.clock import KIMG, Clock
from gan_lab.engine.meter import Taken
from gan_lab.loggers.reporter import Reporter
from gan_lab.process import console

if TYPE_CHECKING:
    from gan_lab.engine.module import AdversarialModule

LINE_SECONDS = 10.0
BAR_SECONDS = 0.1
READ_SECONDS = 0.1


@dataclass
class Waiting:
    """A record whose values are still on the device."""

    clock: Clock
    taken: Taken
    rates: dict[str, float]


class Status(AfterRound):
    """Takes what the meter holds every `every_rounds` rounds, records it, and shows it.

    A run that records every round would spend much of its time reading single numbers and, on a GPU, waiting for them.
    So records wait for a moment and are read together, but never longer than until another callback looks at the run:
    what a checkpoint or an evaluation finds is whole.

    On a terminal a live bar, drawn at most ten times a second; elsewhere a line at most every ten seconds.

    Args:
        reporter: where records go.
        every_rounds: rounds between records, >= 1.
        limits: what ends the run, for the time left.
        log: writes a line of the run's log.
        board: values shown beside the losses; evaluation puts its last metric there.
    """

    def __init__(
        self, reporter: Reporter, *, every_rounds: int, limits: Limits, board: dict[str, str]
    ) -> None:
        self.reporter = reporter
        self.every_rounds = every_rounds
        self.limits = limits
        self.board = board
        self.paused = 0.0
        self.terminal = console.is_terminal()
        self.waiting: list[Waiting] = []
        self._last_line = -math.inf

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Start the stopwatch."""
        del trainer
        self._mark(pl_module.clock)

    def _mark(self, clock: Clock) -> None:
        self._since = time.perf_counter()
        self._images = clock.images_seen
        self.paused = 0.0

    def due(self, clock: Clock) -> bool:
        """Every `every_rounds` rounds, and while records wait."""
        return bool(self.waiting) or clock.iteration % self.every_rounds == 0

    def after_round(self, module: AdversarialModule) -> None:
        """Take the interval's values; read what waits when it is time."""
        clock = module.clock
        if clock.iteration % self.every_rounds == 0:
            self.take(module)
        if time.perf_counter() - self._since >= READ_SECONDS or self.another_is_due(module):
            self.read(module)

    def another_is_due(self, module: AdversarialModule) -> bool:
        """Whether another callback looks at the run after this round."""
        return any(
            other is not self and other.due(module.clock) for other in module.round_callbacks
        )

    def take(self, module: AdversarialModule) -> None:
        """Put the interval's values on the waiting list, with what the host knows."""
        self.waiting.append(Waiting(module.clock.copy(), module.meter.take(), module.rates()))

    def read(self, module: AdversarialModule) -> None:
        """Record the means of all that waits; stop the run when a loss is no number any more."""
        waiting, self.waiting = self.waiting, []
        found = module.means([record.taken for record in waiting])
        # Only now has the device done what the clock counts: one speed for all of them.
        known = self.speed(module)
        for record, values in zip(waiting, found, strict=True):
            values |= record.rates | known
            self.reporter.record(record.clock, values)
            stop_at_divergence(values, record.clock)
        if waiting:
            self.show(waiting[-1].clock, values, values["speed/images_per_s"])

    def speed(self, module: AdversarialModule) -> dict[str, float]:
        """Images per second since the last read, and the peak of a GPU's memory; starts the stopwatch again."""
        clock = module.clock
        elapsed = max(time.perf_counter() - self._since - self.paused, 1e-9)
        speed = (clock.images_seen - self._images) / elapsed
        self._mark(clock)
        known = {"speed/images_per_s": speed, "speed/sec_per_kimg": KIMG / max(speed, 1e-9)}
        if module.device.type == "cuda":
            known["memory/peak_gb"] = torch.cuda.max_memory_allocated() / 2**30
        return known

    def show(self, clock: Clock, values: dict[str, float], speed: float) -> None:
        """Draw the bar or write a plain line, when the last is old enough."""
        every = BAR_SECONDS if self.terminal else LINE_SECONDS
        if time.perf_counter() - self._last_line < every:
            return
        self._last_line = time.perf_counter()
        losses = "  ".join(
            f"{'D' if k == 'loss/discriminator' else 'G' if k == 'loss/generator' else k[5:]} {v:.3f}"
            for k, v in values.items()
            if k.startswith("loss/") and k.count("/") == 1
        )
        left = self.limits.seconds_left(clock, speed)
        parts = [f"kimg {clock.kimg:8.1f}", f"{speed:7.0f} images/s"]
        if left is not None:
            parts.append(f"left {clock_text(left)}")
        parts += [losses, *self.board.values()]
        text = "  ".join(part for part in parts if part)
        if self.terminal:
            share = self.limits.share(clock)
            filled = int(share * 20) if share is not None else 0
            text = f"[{'#' * filled}{'.' * (20 - filled)}] {text}"
        console.show(text)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Record the rounds since the last record."""
        del trainer
        if pl_module.clock.iteration % self.every_rounds and pl_module.meter:
            self.take(pl_module)
        self.read(pl_module)
        console.clear()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Lose no record of the rounds before it."""
        del trainer, exception
        # Where the disk is full this fails too, and the cause is what people need to read.
        with suppress(Exception):
            self.read(pl_module)


def stop_at_divergence(values: Mapping[str, float], clock: Clock) -> None:
    """Raise GanLabError where a loss is not finite."""
    if all(map(math.isfinite, values.values())):
        return
    for name, value in values.items():
        if name.startswith("loss/") and not math.isfinite(value):
            raise GanLabError(
                f"{name} is not a number any more at iteration {clock.iteration}: training has "
                "diverged. The last checkpoint is from before; lower the learning rates, or set "
                "optimizer.<player>.clip_norm=1."
            )


def clock_text(seconds: float) -> str:
    """Seconds as 1:02:03 or 2:03."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
