"""When a run ends: images, rounds, minutes, or a signal."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import torch

from gan_lab.callbacks.base import AfterRound
from gan_lab.engine.clock import KIMG, Clock
from gan_lab.process.interrupts import Interrupts

if TYPE_CHECKING:
    from gan_lab.engine.module import AdversarialModule

AGREE_ROUNDS = 10


class Limits(AfterRound):
    """Stops the trainer at the first limit met, or when a signal was noted.

    Args:
        max_kimg: thousands of images in all; None for no limit.
        max_rounds: rounds in all; None for no limit.
        max_time: minutes since training started this time, evaluations included; None for no limit.
        interrupts: signals noted.
    """

    def __init__(
        self,
        *,
        max_kimg: float | None,
        max_rounds: int | None,
        max_time: float | None,
        interrupts: Interrupts,
    ) -> None:
        self.max_images = math.inf if max_kimg is None else max_kimg * KIMG
        self.max_rounds = math.inf if max_rounds is None else max_rounds
        self.max_seconds = math.inf if max_time is None else max_time * 60
        self.interrupts = interrupts
        self.ranks = 1
        self.started = time.perf_counter()

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Start the clock of max_time."""
        self.ranks = trainer.world_size
        del pl_module
        self.started = time.perf_counter()

    def reached(self, clock: Clock) -> bool:
        """Whether a limit is met."""
        return self.counted_out(clock) or time.perf_counter() - self.started >= self.max_seconds

    def due(self, clock: Clock) -> bool:
        """Whether the run must end after this round, or ranks must agree on whether it ends."""
        if self.ranks > 1:
            return clock.iteration % AGREE_ROUNDS == 0 or self.counted_out(clock)
        return self.interrupts.pending is not None or self.reached(clock)

    def after_round(self, module: AdversarialModule) -> None:
        """Ask Lightning to end after this batch.

        Clocks and signals differ between ranks, and a rank that stops alone leaves the others waiting for ever.
        """
        stop = self.interrupts.pending is not None or self.reached(module.clock)
        if self.ranks > 1:
            wish = torch.tensor([float(stop)], device=module.device)
            torch.distributed.all_reduce(wish)
            stop = bool(wish.item())
        if stop:
            module.trainer.should_stop = True

    def counted_out(self, clock: Clock) -> bool:
        """Whether a limit that all ranks count alike is met."""
        return clock.images_seen >= self.max_images or clock.iteration >= self.max_rounds

    def share(self, clock: Clock) -> float | None:
        """How much of the run is done, in [0, 1]; None without a limit."""
        shares = [
            clock.images_seen / self.max_images if self.max_images < math.inf else 0.0,
            clock.iteration / self.max_rounds if self.max_rounds < math.inf else 0.0,
            (time.perf_counter() - self.started) / self.max_seconds
            if self.max_seconds < math.inf
            else 0.0,
        ]
        return min(max(shares), 1.0) if any(shares) else None

    def seconds_left(self, clock: Clock, images_per_s: float) -> float | None:
        """Estimated seconds to the first limit; None without a limit."""
        left = self.max_seconds - (time.perf_counter() - self.started)
        if images_per_s > 0:
            left = min(left, (self.max_images - clock.images_seen) / images_per_s)
            if self.max_rounds < math.inf and clock.iteration:
                per_round = clock.images_seen / clock.iteration
                left = min(left, (self.max_rounds - clock.iteration) * per_round / images_per_s)
        return max(left, 0.0) if left < math.inf else None
