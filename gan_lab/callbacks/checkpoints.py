"""last.ckpt and best.ckpt, on a schedule, at each evaluation and at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import Callback

from gan_lab.callbacks.base import AfterRound
from gan_lab.callbacks.evaluation import Evaluation
from gan_lab.common.errors import CheckpointError, GanLabError
from gan_lab.engine.clock import Clock
from gan_lab.storage.checkpoint import save_checkpoint
from gan_lab.storage.run_folder import RunFolder

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
        """Save now.

        Raises:
            CheckpointError: where the disk refuses.
            GanLabError: where training has diverged; the checkpoint from before stays.
        """
        refuse_diverged(module)
        state: dict[str, Any] = {**module.snapshot(), "identity": dict(self.identity)}
        if self.evaluation is not None:
            state["evaluation"] = self.evaluation.state()
        self.folder.flush()  # a resumed run goes on from here and must find every record before it
        save_checkpoint(state, self.folder.last)
        if self.evaluation is not None and self.evaluation.improved:
            self.evaluation.improved = False  # later weights are not those that were scored
            save_checkpoint(state, self.folder.best)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Save the end; here a full disk is an error, since the result would be lost."""
        del trainer
        self.save(pl_module)


class SaveBeforeTheEnd(Callback):
    """Saves before the last evaluation and grid, so that none of them can cost what was trained."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self.checkpoints = checkpoints

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Save; a full disk is only told, since the real last save follows."""
        del trainer
        self.checkpoints.after_round(pl_module)


def refuse_diverged(module: AdversarialModule) -> None:
    """Raise GanLabError if a weight is not a number; one host synchronisation."""
    finite = torch.stack([p.detach().isfinite().all() for p in module.parameters()]).all()
    if not bool(finite):
        raise GanLabError(
            f"A weight is not a number any more at iteration {module.clock.iteration}: training has diverged. "
            "The last checkpoint is from before; lower the learning rates, or set optimizer.<player>.clip_norm=1."
        )
