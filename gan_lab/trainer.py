"""Lightning's trainer for a run, and on what it runs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer

from gan_lab.engine.replicas import Replicas
from gan_lab.errors import ConfigError
from gan_lab.interrupts import Interrupts


def device_of(config: Mapping[str, Any]) -> str:
    """Cpu or cuda, as the strategy asks and the machine has.

    Raises:
        ConfigError: if a GPU is asked for and there is none.
    """
    accelerator = config["strategy"]["accelerator"]
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise ConfigError(
            "strategy=gpu: torch sees no GPU on this machine; use strategy=cpu or auto."
        )
    return "cpu" if accelerator == "cpu" or not torch.cuda.is_available() else "cuda"


def choose_precision(name: str, device: str) -> str:
    """`auto` is bf16 where the run's GPU computes it natively, else fp32."""
    if name != "auto":
        return name
    return "bf16-mixed" if device == "cuda" and torch.cuda.is_bf16_supported() else "32-true"


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
