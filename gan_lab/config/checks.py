"""Rules across options: pure functions on the configuration, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gan_lab.common.errors import ConfigError
from gan_lab.config.lightning import check_trainer, processes
from gan_lab.config.schema import FIELDS, check_fields, check_section, lookup

SECTIONS_OF_FIELDS = ("samples", "ema", "labels", "checkpoint", "sweep", "strategy", "engine")


def check(config: Mapping[str, Any]) -> None:
    """Check types, ranges and rules across options.

    Raises:
        ConfigError: at the first that is wrong; one sentence.
    """
    check_trainer(config)
    check_fields(config)
    for section in SECTIONS_OF_FIELDS:
        check_section(config, section)
    parts = processes(config) * config["accumulate"]
    batch = lookup(config, "data.batch_size")
    if batch % parts:
        fitting = max(batch // parts, 1) * parts
        raise ConfigError(
            f"data.batch_size={batch}: not a multiple of strategy.devices x trainer.num_nodes x accumulate ({parts}); "
            f"use {fitting} or {fitting + parts}."
        )
    if all(config[limit] is None for limit in ("max_kimg", "max_rounds", "max_time")):
        raise ConfigError(
            "max_kimg=null, max_rounds=null and max_time=null: the run would never end; set one of them."
        )


def field_names() -> list[str]:
    """Paths of all run-wide options."""
    return list(FIELDS)
