"""Which of Lightning's own ways a run may take: options of its Trainer, and who does the others instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gan_lab.common.errors import ConfigError, nearest

# Options of Trainer that this section hands on; schema.py has their types.
HANDED_ON = ("num_nodes", "profiler", "detect_anomaly", "deterministic", "benchmark", "log_every_n_steps")  # fmt: skip

_STOP = "max_kimg, max_rounds or max_time ends a run"
_METRICS = "the engine evaluates by images seen; set metrics.every_kimg, or metrics=none"
_DEBUG = "set debug=tiny for a run of seconds"
INSTEAD = {
    "accelerator": "set strategy=cpu, gpu or auto",
    "strategy": "set strategy=ddp for several processes",
    "devices": "set strategy.devices",
    "precision": "set precision",
    "logger": "set logger=wandb, csv, tensorboard or none",
    "callbacks": "set callbacks=[...], or +callbacks.<name>._target_=lightning.pytorch.callbacks.<Class>",
    "fast_dev_run": _DEBUG,
    "max_epochs": _STOP,
    "min_epochs": _STOP,
    "max_steps": _STOP,
    "min_steps": _STOP,
    "max_time": "set max_time, in minutes",
    "limit_train_batches": _STOP,
    "limit_val_batches": _METRICS,
    "limit_test_batches": "python -m gan_lab.evaluate scores a finished run",
    "limit_predict_batches": "python -m gan_lab.sample makes images from a finished run",
    "overfit_batches": "give a small data set, such as data=image_folder data.root=<a few images>",
    "val_check_interval": _METRICS,
    "check_val_every_n_epoch": _METRICS,
    "num_sanity_val_steps": _METRICS,
    "enable_checkpointing": "checkpoint.every_kimg says how often to save; ~callbacks.checkpoints saves nothing",
    "enable_progress_bar": "the log shows a line or a bar by itself; ~callbacks.status leaves it out",
    "enable_model_summary": "set callbacks=[model_summary]",
    "accumulate_grad_batches": "set accumulate",
    "gradient_clip_val": "set optimizer.<player>.clip_norm",
    "gradient_clip_algorithm": "set optimizer.<player>.clip_norm",
    "inference_mode": "samples and evaluations never compute gradients",
    "use_distributed_sampler": "each process takes its share of every batch",
    "barebones": "nothing is left to switch off",
    "plugins": "set precision and strategy",
    "sync_batchnorm": "batch normalisation takes the statistics of each process's share",
    "reload_dataloaders_every_n_epochs": "the stream of images has no epochs",
    "default_root_dir": "set hydra.run.dir",
    "enable_autolog_hparams": "the run folder and the loggers have the whole configuration",
    "model_registry": "the run folder keeps the weights",
}


def refusal(key: str) -> str:
    """The sentence for a key of `trainer` that is not handed on."""
    if key in INSTEAD:
        return f"trainer.{key}: the engine does this itself; {INSTEAD[key]}."
    known = ", ".join(HANDED_ON)
    return f"trainer.{key}: Lightning's Trainer takes {known} from here{nearest(key, HANDED_ON) or '.'}"


def check_trainer(config: Mapping[str, Any]) -> None:
    """Refuse keys of `trainer` that Lightning would not get.

    Raises:
        ConfigError: naming the option that does it instead.
    """
    for key in config.get("trainer") or {}:
        if key not in HANDED_ON:
            raise ConfigError(refusal(key))


def processes(config: Mapping[str, Any]) -> int:
    """How many processes train together, on all machines."""
    devices = (config.get("strategy") or {}).get("devices", 1)
    nodes = (config.get("trainer") or {}).get("num_nodes", 1)
    return int(devices) * int(nodes)
