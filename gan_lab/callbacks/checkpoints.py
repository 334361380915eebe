"""last.ckpt and best.ckpt, on a schedule, at each evaluation and at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gan_lab.callbacks.base import AfterRound
from gan_lab.callbacks.evaluation import Evaluation
from gan_lab.checkpoint import save_checkpoint
from gan_lab.engine.clock import Clock
from gan_lab.errors import CheckpointError
from gan_lab.run_folder import RunFolder

if TYPE_CHECKING:
    from gan_lab.engine.module import AdversarialModule


class Checkpoints(AfterRound):
    """Writes checkpoints after the evaluation of the same round, so that none is lost or repeated.

    Args:
        folder: the run folder.
        every_kimg: thousands of images between saves of last.ckpt; 0 for evaluations and the end only.
        evaluation: whose best value best.ckpt holds; None without metrics.
        identity: plain values of the run that a resume needs, such as the W&B id.
        say: writes a line for the user.
    """

    def __init__(
        self,
        folder: RunFolder,
        *,
        every_kimg: float,
        evaluation: Evaluation | None,
        identity: Mapping[str, Any],
        say: Callable[[str], None],
    ) -> None:
        self.folder = folder
        self.every_kimg = every_kimg
        self.evaluation = evaluation
        self.identity = identity
        self.say = say
        self.saved_at = -1

    def due(self, clock: Clock) -> bool:
        """On its own schedule and at evaluations."""
        evaluated = self.evaluation is not None and self.evaluation.due(clock)
        return evaluated or clock.crossed(self.every_kimg)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Save the start, so that a run killed early resumes too."""
        del trainer
        if pl_module.clock.iteration == 0:
            self.after_round(pl_module)

    def after_round(self, module: AdversarialModule) -> None:
        """Save last.ckpt, and best.ckpt when the evaluation has improved.

        A full disk does not end training: it is said, and the next save may work.
        """
        try:
            self.save(module)
        except CheckpointError as error:
            self.say(f"Warning: {error}")

    def save(self, module: AdversarialModule) -> None:
        """Save now; raises CheckpointError where the disk refuses."""
        state: dict[str, Any] = {**module.snapshot(), "identity": dict(self.identity)}
        if self.evaluation is not None:
            state["evaluation"] = self.evaluation.state()
            if self.evaluation.improved:
                save_checkpoint(state, self.folder.best)
                self.evaluation.improved = False
        save_checkpoint(state, self.folder.last)
        self.saved_at = module.clock.iteration

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Save the end; here a full disk is an error, since the result would be lost."""
        del trainer
        self.save(pl_module)
