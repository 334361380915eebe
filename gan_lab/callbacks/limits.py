"""Ends training at a limit or after a signal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gan_lab.callbacks.base import AfterRound
from gan_lab.callbacks.run_state import RunState
from gan_lab.engine.clock import Clock
from gan_lab.engine.exchange import largest

if TYPE_CHECKING:
    from gan_lab.engine.module import AdversarialModule

AGREE_ROUNDS = 10
LIMIT = 0


class Limits(AfterRound):
    """Stops the trainer at the first limit met, or when a signal was noted; works on every rank.

    Args:
        run: with the limits and the signals noted.
    """

    def __init__(self, *, run: RunState) -> None:
        self.run = run
        self.ranks = 1

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Start the clock of max_time; where the end is reached already, no round is played."""
        self.ranks = trainer.world_size
        self.run.stop.start()
        if self.run.stop.counted_out(pl_module.clock):
            trainer.should_stop = True

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """A signal during the first evaluation: no round is played either."""
        del trainer
        self.after_round(pl_module)

    def due(self, clock: Clock) -> bool:
        """Whether the run must end after this round, or ranks must agree on whether it ends."""
        if self.ranks > 1:
            return clock.iteration % AGREE_ROUNDS == 0 or self.run.stop.counted_out(clock)
        return self.run.interrupts.pending is not None or self.run.stop.reached(clock)

    def after_round(self, module: AdversarialModule) -> None:
        """Ask Lightning to end after this batch.

        Clocks and signals differ between ranks, and a rank that stops alone leaves the others waiting for ever.
        """
        # A number that ranks compare: none, a limit, a signal (which counts more); so all end for the same reason.
        reason = -1
        if self.run.interrupts.pending is not None:
            reason = self.run.interrupts.pending
        elif self.run.stop.reached(module.clock):
            reason = LIMIT
        if self.ranks > 1:
            reason = largest(reason, module.device)
        if reason > LIMIT:
            self.run.interrupts.pending = reason
        if reason < LIMIT:
            return
        if module.clock.iteration % module.options.log_every_rounds:
            module.share_meter()  # the rounds since the last record; all ranks are here
        module.trainer.should_stop = True
