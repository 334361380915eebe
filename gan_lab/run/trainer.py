"""Lightning's trainer for a run, and on what it runs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from lightning.fabric.utilities import rank_zero_only
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.profilers import AdvancedProfiler, Profiler, PyTorchProfiler, SimpleProfiler

from gan_lab.common.errors import GanLabError
from gan_lab.config.lightning import processes
from gan_lab.engine.replicas import KnownPlace, Replicas
from gan_lab.process.machine import device_of
from gan_lab.process.ranks import Ranks
from gan_lab.run.together import Meeting

log = logging.getLogger(__name__)

# Trainer's options for what the engine and its callbacks do.
NOT_LIGHTNINGS: dict[str, Any] = {
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "max_epochs": -1,
    "num_sanity_val_steps": 0,
    "limit_val_batches": 0,
    "use_distributed_sampler": False,
}
PROFILERS = {"simple": SimpleProfiler, "advanced": AdvancedProfiler, "pytorch": PyTorchProfiler}


def make_trainer(
    config: Mapping[str, Any],
    callbacks: Sequence[Callback],
    *,
    folder: Path,
    logger: Logger | None = None,
    meeting: Meeting | None = None,
) -> Trainer:
    """Lightning's trainer with everything switched off that the engine does itself.

    It asks neither a scheduler nor the environment who it is, sets no handler of signals, and finds nothing to load.

    Args:
        config: resolved; `trainer` has what the user sets of Lightning's own.
        callbacks: in the order in which Lightning shall call them.
        folder: the run folder, where Lightning may leave files.
        logger: for callbacks that log through Lightning.
        meeting: this process among the ranks of the run; None for a single process.
    """
    wished = dict(config.get("trainer") or {})
    meeting = meeting or Meeting(Ranks())
    _quieten(meeting.place)
    trainer = Trainer(
        accelerator="gpu" if device_of(config) == "cuda" else "cpu",
        devices=config["strategy"]["devices"],
        strategy=Replicas(meeting.wait) if processes(config) > 1 else "auto",
        plugins=[KnownPlace(meeting.place)],
        callbacks=[*callbacks],
        logger=logger or False,
        profiler=make_profiler(wished.pop("profiler", None), folder),
        default_root_dir=folder / "lightning" / f"{datetime.now():%Y-%m-%d-%H-%M-%S.%f}",
        **NOT_LIGHTNINGS,
        **wished,
    )
    assert hasattr(trainer, "_signal_connector"), "Lightning sets its handlers in another place now"
    trainer._signal_connector = OurSignals()  # type: ignore[assignment]
    return trainer


def _quieten(place: Ranks) -> None:
    """Let Lightning say what went wrong, and what a callback was chosen for, in the first rank only."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    for category in (UserWarning, FutureWarning, DeprecationWarning):
        warnings.filterwarnings("ignore", category=category, module="lightning")
    table = logging.getLogger("lightning.pytorch.callbacks.model_summary")
    table.handlers, table.propagate = [Passed()], False
    table.setLevel(logging.INFO)
    vars(rank_zero_only)["rank"] = place.rank  # it would take it from variables of any launcher


class Passed(logging.Handler):
    """Says what a library's logger says as our own, so that it is in train.log too."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it without the empty lines around it."""
        log.info(record.getMessage().strip("\n"))


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


class OurSignals:
    """Stands where Lightning keeps its handlers of signals, and sets none.

    Lightning's end a run by SIGTERM with exit code 0, and save and requeue a job of SLURM by themselves.
    """

    received_sigterm = False

    def register_signal_handlers(self) -> None:
        """Ours are in force already."""

    def teardown(self) -> None:
        """And stay so."""


class CountRounds(Callback):
    """Keeps `trainer.global_step` at the number of rounds played.

    The players step their optimizers themselves, of which Lightning sees nothing: its own count would stay at 0.
    """

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """A resumed run begins where it was."""
        del stage
        self.on_train_start(trainer, pl_module)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """As many as the run's own clock has counted."""
        count = trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
        count.total.completed = pl_module.clock.iteration

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """After a stretch of rounds."""
        del outputs, batch, batch_idx
        self.on_train_start(trainer, pl_module)
