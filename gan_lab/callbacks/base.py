"""A callback that the module calls after a round, when it says it is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightning.pytorch import Callback

from gan_lab.engine.clock import Clock

if TYPE_CHECKING:
    from gan_lab.engine.module import AdversarialModule


class AfterRound(Callback):
    """A Lightning callback without per-batch hooks, on the first rank only.

    Four idle per-batch hooks of Lightning cost as much as a small network's step; one comparison of host integers
    costs nothing. What happens at the ends of training uses four hooks, in this order: `on_train_start` (save the
    start), `on_train_epoch_start` (what is due before the first round), `on_train_epoch_end` (record and save the last
    round), `on_train_end` (the last evaluation and grid, and save them).
    """

    def due(self, clock: Clock) -> bool:
        """Whether `after_round` must be called now; may be asked more than once a round, and changes nothing."""
        raise NotImplementedError

    def after_round(self, module: AdversarialModule) -> None:
        """Do the work."""
        raise NotImplementedError

    def owed(self, clock: Clock) -> str:
        """In words, what is due at the end of a run and missing; empty where nothing is."""
        del clock
        return ""
