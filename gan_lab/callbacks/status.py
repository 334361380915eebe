"""The log of training: values every so many rounds, for records and for people."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch

from gan_lab.callbacks.base import AfterRound
from gan_lab.callbacks.run_state import RunState
from gan_lab.callbacks.training_block import TrainingBlock
from gan_lab.common.errors import GanLabError
from gan_lab.engine.clock import KIMG, Clock
from gan_lab.process.display import display

if TYPE_CHECKING:
    from gan_lab.engine.module import AdversarialModule


class Status(AfterRound):
    """Reads the meter every `every_rounds` rounds, records the means, and has training shown (training_block.py).

    Args:
        run: where records go, and what is shown.
        every_rounds: rounds between records, >= 1.
    """

    def __init__(self, *, run: RunState, every_rounds: int) -> None:
        self.run = run
        self.every_rounds = every_rounds
        self.block: TrainingBlock | None = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Start the stopwatch, and show how training stands from now on."""
        del trainer
        self._mark(pl_module.clock)
        self.block = TrainingBlock(self.run, pl_module)
        display.show(self.block)

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
        if self.block is not None:
            self.block.values = values

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

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Record the rounds since the last record."""
        del trainer
        if pl_module.clock.iteration % self.every_rounds and pl_module.meter:
            self.after_round(pl_module)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Show the last state where plain lines are written."""
        del trainer, pl_module
        if self.block is not None:
            display.tell(self.block)

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Take the block away."""
        del trainer, pl_module, stage
        if self.block is not None:
            display.end(self.block)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Lose no record that could not be written before."""
        self.teardown(trainer, pl_module, "fit")
        del exception
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
