"""last.ckpt and best.ckpt, on a schedule, at each evaluation and at the ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gan_lab.callbacks.base import AfterRound
from gan_lab.callbacks.run_state import RunState
from gan_lab.common.errors import CheckpointError, GanLabError
from gan_lab.engine.clock import Clock
from gan_lab.storage.checkpoint import save_checkpoint
from gan_lab.storage.series import Series

if TYPE_CHECKING:
    from gan_lab.engine.module import AdversarialModule

log = logging.getLogger(__name__)


class Checkpoints(AfterRound):
    """Writes checkpoints after the evaluation of the same round, so that none is lost or repeated.

    Args:
        run: whose folder they go to, with the scores that they keep.
        every_kimg: thousands of images between saves of last.ckpt; 0 for evaluations and the ends only.
        keep: how many are kept beside last.ckpt.
    """

    def __init__(self, *, run: RunState, every_kimg: float, keep: int) -> None:
        self.run = run
        self.every_kimg = every_kimg
        self.series = Series(run.folder, keep=keep)
        self._saved = -1

    def due(self, clock: Clock) -> bool:
        """On its own schedule and after evaluations."""
        return self.run.scores.unsaved or clock.crossed(self.every_kimg)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Save the start, before any record of it: a run killed from here on resumes and does what it owes."""
        del trainer
        if pl_module.clock.iteration == 0:
            self.after_round(pl_module)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Save what was evaluated before the first round."""
        del trainer
        if self.run.scores.unsaved:
            self.after_round(pl_module)

    def after_round(self, module: AdversarialModule) -> None:
        """Save last.ckpt, and best.ckpt when the evaluation has improved.

        A full disk does not end training: it is said, and the next save may work.
        """
        try:
            self.save(module)
        except CheckpointError as error:
            log.warning(f"Warning: {error}")

    def save(self, module: AdversarialModule) -> None:
        """Save now.

        Raises:
            CheckpointError: where the disk refuses.
            GanLabError: where training has diverged; the checkpoint from before stays.
        """
        clock, scores = module.clock, self.run.scores
        better = scores.better(clock.images_seen)
        trained = module.snapshot()
        refuse_diverged(trained)
        state: dict[str, Any] = {**trained, "identity": dict(self.run.identity)}
        if self.run.metrics is not None:
            state["evaluation"] = scores.state(scores.best_value if better is None else better)
        with suppress(OSError):  # without room they wait, and a kill must not lose them
            self.run.folder.flush()
        state["records"] = self.run.folder.count_records()  # a resumed run goes on behind these
        state["waiting_records"] = self.run.folder.waiting_records()
        # The best first: killed in between, the run resumes from before this evaluation and makes it again.
        if better is not None:
            save_checkpoint(state, self.run.folder.best)
            scores.best_value = better
        self.series.save(state)
        scores.unsaved = False
        self._saved = clock.iteration

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Save before the last evaluation and grid, so that none of them can cost what was trained."""
        del trainer
        self.after_round(pl_module)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Save the end; here a full disk is an error, since the result would be lost."""
        del trainer
        if self.run.scores.unsaved or self._saved != pl_module.clock.iteration:
            self.save(pl_module)


def refuse_diverged(snapshot: Mapping[str, Any]) -> None:
    """Refuse what a module's `snapshot` holds if a tensor of it is not finite; one synchronisation for each device.

    Weights are not enough: a running variance, an average or a second moment that is infinite stays so, while the
    weights look healthy.

    Raises:
        GanLabError: naming the tensor.
    """
    tensors = dict(_tensors(snapshot))
    places: dict[torch.device, list[Tensor]] = {}
    for tensor in tensors.values():
        places.setdefault(tensor.device, []).append(tensor.isfinite().all())
    if all(bool(torch.stack(flags).all()) for flags in places.values()):
        return
    name = next(name for name, tensor in tensors.items() if not bool(tensor.isfinite().all()))
    raise GanLabError(
        f"{name} is infinite or not a number any more at iteration {snapshot['clock']['iteration']}: training has "
        "diverged. The last checkpoint is from before; lower the learning rates, or set "
        "optimizer.<player>.clip_norm=1."
    )


def _tensors(node: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a nested mapping or sequence with its path."""
    if isinstance(node, Tensor):
        yield path, node.detach()
    elif isinstance(node, Mapping | list | tuple):
        for key, inner in node.items() if isinstance(node, Mapping) else enumerate(node):
            yield from _tensors(inner, f"{path}.{key}" if path else str(key))
