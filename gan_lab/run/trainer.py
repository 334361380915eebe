"""Lightning's trainer for a run, and on what it runs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.profilers import AdvancedProfiler, Profiler, PyTorchProfiler, SimpleProfiler

from gan_lab.common.errors import GanLabError
from gan_lab.config.lightning import processes
from gan_lab.engine.replicas import Replicas
from gan_lab.process.interrupts import Interrupts
from gan_lab.process.machine import device_of

PROFILERS = {"simple": SimpleProfiler, "advanced": AdvancedProfiler, "pytorch": PyTorchProfiler}


def make_trainer(
    config: Mapping[str, Any],
    callbacks: Sequence[Callback],
    *,
    folder: Path,
    logger: Logger | None = None,
) -> Trainer:
    """Lightning's trainer with everything switched off that the engine does itself.

    Args:
        config: resolved; `trainer` has what the user sets of Lightning's own.
        callbacks: in the order in which Lightning shall call them.
        folder: the run folder, where Lightning may leave files.
        logger: for callbacks that log through Lightning.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    for category in (UserWarning, FutureWarning, DeprecationWarning):
        warnings.filterwarnings("ignore", category=category, module="lightning")
    wished = dict(config.get("trainer") or {})
    return Trainer(
        accelerator="gpu" if device_of(config) == "cuda" else "cpu",
        devices=config["strategy"]["devices"],
        strategy=Replicas() if processes(config) > 1 else "auto",
        callbacks=[*callbacks],
        logger=logger or False,
        profiler=make_profiler(wished.pop("profiler", None), folder),
        default_root_dir=folder,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        max_epochs=-1,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        use_distributed_sampler=False,
        **wished,
    )


def make_profiler(name: str | None, folder: Path) -> Profiler | None:
    """Lightning's profiler of that name; its report is `fit-profile*` in the run folder."""
    return None if name is None else PROFILERS[name](dirpath=folder, filename="profile")


def fit(trainer: Trainer, game: Any, data: Any) -> None:
    """Train until the trainer shall stop.

    Raises:
        GanLabError: where Lightning refuses what a callback or an option of `trainer` asks.
    """
    try:
        trainer.fit(game, datamodule=data)
    except (MisconfigurationException, ModuleNotFoundError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise GanLabError(
            f"A callback or an option of Lightning refuses to run: {reason}."
        ) from error


class SignalsAfterLightning(Callback):
    """Sets our handlers again after Lightning has set its own, which end a run by SIGTERM with exit code 0."""

    def __init__(self, interrupts: Interrupts) -> None:
        self.interrupts = interrupts

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Lightning has set its own by now."""
        del trainer, pl_module
        self.interrupts.install()


class CountRounds(Callback):
    """Keeps `trainer.global_step` at the number of rounds played.

    The players step their optimizers themselves, of which Lightning sees nothing: its own count would stay at 0.
    """

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """A resumed run begins where it was."""
        count = trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
        count.total.completed = pl_module.clock.iteration

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """After a stretch of rounds."""
        del outputs, batch, batch_idx
        self.on_train_start(trainer, pl_module)
