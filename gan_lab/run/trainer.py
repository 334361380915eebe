"""Lightning's trainer for a run, and on what it runs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from lightning.pytorch import Callback, Trainer

from gan_lab.engine.replicas import Replicas
from gan_lab.process.interrupts import Interrupts
from gan_lab.process.machine import device_of


def make_trainer(config: Mapping[str, Any], callbacks: Sequence[Any]) -> Trainer:
    """Lightning's trainer with everything switched off that the engine does itself."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    for category in (UserWarning, FutureWarning, DeprecationWarning):
        warnings.filterwarnings("ignore", category=category, module="lightning")
    devices = config["strategy"]["devices"]
    return Trainer(
        accelerator="gpu" if device_of(config) == "cuda" else "cpu",
        devices=devices,
        strategy=Replicas() if devices > 1 else "auto",
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        max_epochs=-1,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        use_distributed_sampler=False,
    )


class SignalsAfterLightning(Callback):
    """Sets our handlers again after Lightning has set its own, which end a run by SIGTERM with exit code 0."""

    def __init__(self, interrupts: Interrupts) -> None:
        self.interrupts = interrupts

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Lightning has set its own by now."""
        del trainer, pl_module
        self.interrupts.install()
