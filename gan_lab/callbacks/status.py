"""The log of training: values every so many rounds, and a bar or plain lines for people."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch

from gan_lab.callbacks.base import AfterRound
from gan_lab.callbacks.run_state import RunState
from gan_lab.common.durations import long_run
from gan_lab.common.errors import GanLabError
from gan_lab.engine.clock import KIMG, Clock
from gan_lab.process import console

if TYPE_CHECKING:
    from gan_lab.engine.module import AdversarialModule

log = logging.getLogger(__name__)

LINE_SECONDS = 10.0
BAR_SECONDS = 0.1


class Status(AfterRound):
    """Reads the meter every `every_rounds` rounds, records the means, and shows them.

    On a terminal a live bar, drawn at most ten times a second; elsewhere a line at most every ten seconds.

    Args:
        run: where records go, and what is shown.
        every_rounds: rounds between records, >= 1.
    """

    def __init__(self, *, run: RunState, every_rounds: int) -> None:
        self.run = run
        self.every_rounds = every_rounds
        self.terminal = console.is_terminal()
        self._shown = -math.inf
        self._warned = False

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Start the stopwatch."""
        del trainer
        self._mark(pl_module.clock)

    def _mark(self, clock: Clock) -> None:
        self._since = time.perf_counter()
        self._images = clock.images_seen
        self.run.paused = 0.0

    def due(self, clock: Clock) -> bool:
        """Every `every_rounds` rounds."""
        return clock.iteration % self.every_rounds == 0

    def after_round(self, module: AdversarialModule) -> None:
        """Record the means of the rounds since the last record; stop the run when a loss is no number any more."""
        clock = module.clock
        # Reading the meter waits for the device: only then has it done what the clock counts.
        values = module.read_meter()
        values |= self.speed(module)
        self.run.reporter.record(clock, values)
        stop_at_divergence(values, clock)
        if time.perf_counter() - self._shown >= (BAR_SECONDS if self.terminal else LINE_SECONDS):
            self.show(clock, values)

    def speed(self, module: AdversarialModule) -> dict[str, float]:
        """Images per second since the last record, and the peak of a GPU's memory; starts the stopwatch again."""
        clock = module.clock
        elapsed = max(time.perf_counter() - self._since - self.run.paused, 1e-9)
        speed = (clock.images_seen - self._images) / elapsed
        self._mark(clock)
        known = {"speed/images_per_s": speed, "speed/sec_per_kimg": KIMG / max(speed, 1e-9)}
        if module.device.type == "cuda":
            known["memory/peak_gb"] = torch.cuda.max_memory_allocated() / 2**30
        return known

    def show(self, clock: Clock, values: Mapping[str, float]) -> None:
        """Draw the bar or write a plain line."""
        self._shown = time.perf_counter()
        speed = values["speed/images_per_s"]
        losses = "  ".join(
            f"{'D' if k == 'loss/discriminator' else 'G' if k == 'loss/generator' else k[5:]} {v:.3f}"
            for k, v in values.items()
            if k.startswith("loss/") and k.count("/") == 1
        )
        left = self.run.stop.seconds_left(clock, speed)
        if (said := long_run(left)) and not self._warned:
            self._warned = True
            log.warning(f"Warning: {said}")
        parts = [f"kimg {clock.kimg:8.1f}", f"{speed:7.0f} images/s"]
        if left is not None:
            parts.append(f"left {clock_text(left)}")
        parts += [losses, *self.run.shown.values()]
        text = "  ".join(part for part in parts if part)
        if self.terminal:
            filled = int((self.run.stop.share(clock) or 0.0) * 20)
            text = f"[{'#' * filled}{'.' * (20 - filled)}] {text}"
        console.show(text)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Record the rounds since the last record."""
        del trainer
        if pl_module.clock.iteration % self.every_rounds and pl_module.meter:
            self.after_round(pl_module)
        console.clear()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Lose no record that could not be written before."""
        del trainer, pl_module, exception
        # Where the disk is full this fails too, and the cause is what people need to read.
        with suppress(Exception):
            self.run.folder.flush()


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
