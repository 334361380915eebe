"""The log of training: values every so many rounds, and a bar or plain lines for people."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, Any

import torch

from gan_lab.callbacks.base import AfterRound
from gan_lab.callbacks.limits import Limits
from gan_lab.engine.clock import KIMG, Clock
from gan_lab.errors import GanLabError
from gan_lab.loggers.reporter import Reporter

if TYPE_CHECKING:
    from gan_lab.engine.module import AdversarialModule

LINE_SECONDS = 10.0
BAR_SECONDS = 0.1


class Status(AfterRound):
    """Reads the meter every `every_rounds` rounds, records it, and shows it.

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
        self.terminal = sys.stderr.isatty()
        self._last_line = -math.inf
        self._width = 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Start the stopwatch."""
        del trainer
        self._mark(pl_module.clock)

    def _mark(self, clock: Clock) -> None:
        self._since = time.perf_counter()
        self._images = clock.images_seen
        self.paused = 0.0

    def due(self, clock: Clock) -> bool:
        """Every `every_rounds` rounds."""
        return clock.iteration % self.every_rounds == 0

    def after_round(self, module: AdversarialModule) -> None:
        """Record the interval's means; stop the run when a loss is no number any more."""
        clock = module.clock
        values = module.read_meter()
        elapsed = max(time.perf_counter() - self._since - self.paused, 1e-9)
        speed = (clock.images_seen - self._images) / elapsed
        values["speed/images_per_s"] = speed
        values["speed/sec_per_kimg"] = KIMG / max(speed, 1e-9)
        if module.device.type == "cuda":
            values["memory/peak_gb"] = torch.cuda.max_memory_allocated() / 2**30
        self._mark(clock)
        self.reporter.record(clock, values)
        broken = [k for k, v in values.items() if k.startswith("loss/") and not math.isfinite(v)]
        if broken:
            raise GanLabError(
                f"{broken[0]} is not a number any more at iteration {clock.iteration}: training has diverged. "
                "The last checkpoint is from before; lower the learning rates, or set optimizer.<player>.clip_norm=1."
            )
        self.show(clock, values, speed)

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
            bar = f"[{'#' * filled}{'.' * (20 - filled)}] {text}"
            sys.stderr.write("\r" + bar.ljust(self._width))
            self._width = len(bar)
            sys.stderr.flush()
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def clear(self) -> None:
        """End the bar's line before something else is printed."""
        if self.terminal and self._width:
            sys.stderr.write("\n")
            self._width = 0

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Record the rounds since the last record."""
        del trainer
        if pl_module.clock.iteration % self.every_rounds and pl_module.meter:
            self.after_round(pl_module)
        self.clear()


def clock_text(seconds: float) -> str:
    """Seconds as 1:02:03 or 2:03."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
