"""The run-wide options: their types and ranges. Parts declare theirs in their constructors."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gan_lab.common.errors import ConfigError, nearest
from gan_lab.common.ranges import in_range, one_of
from gan_lab.common.scalars import Scalar
from gan_lab.config.types import check_type

PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")
ACCELERATORS = ("auto", "cpu", "gpu")


@dataclass(frozen=True)
class Field:
    """One option: its type, and its range or choices."""

    kind: Any
    low: float = float("-inf")
    above: float = float("-inf")
    high: float = float("inf")
    choices: Sequence[str] = ()


# Options that all metrics of an evaluation share; each metric's own lie below its name.
METRICS = {
    "metrics.every_kimg": Field(float | None, low=0),
    "metrics.num_samples": Field(int | None, low=2),
    "metrics.num_reals": Field(int | None, low=2),
    "metrics.batch_size": Field(int | None, low=1),
    "metrics.split": Field(str),
    "metrics.batch_norm": Field(str, choices=("running", "batch")),
    "metrics.max_days": Field(float | None, above=0),
    "metrics.weights": Field(str | None),
}

FIELDS: dict[str, Field] = {
    "seed": Field(int, low=0),
    "precision": Field(str, choices=PRECISIONS),
    "memory_format": Field(str, choices=("auto", "channels_last", "contiguous")),
    "tf32": Field(bool),
    "compile": Field(bool),
    "engine.cuda_graphs": Field(bool | typing.Literal["auto"]),
    "accumulate": Field(int, low=1),
    "max_kimg": Field(float | None, above=0),
    "max_rounds": Field(int | None, low=1),
    "max_time": Field(float | None, above=0),
    "resume": Field(str | None),
    "init": Field(str | None),
    "init_weights": Field(str, choices=("ema", "raw")),
    "init_origin": Field(Mapping | None),
    "log_every_rounds": Field(int, low=1),
    "samples.every_kimg": Field(float, low=0),
    "samples.num": Field(int, low=1),
    "ema.half_life_kimg": Field(Scalar, low=0),
    "ema.rampup": Field(float, low=0),
    "checkpoint.every_kimg": Field(float, low=0),
    "checkpoint.keep": Field(int, low=0),
    "normalise": Field(Mapping | None),
    "labels.law": Field(str, choices=("data", "uniform")),
    "checkpoint.monitor": Field(str | None),
    **METRICS,
    "sweep.on_error": Field(str, choices=("continue", "stop")),
    "allow_targets": Field(list[str]),
    "data.balance": Field(bool),
    "data.batch_size": Field(int, low=1),
    "data.changed": Field(str, choices=("refuse", "accept")),
    "data.limit": Field(int | None, low=1),
    "data.labelled": Field(int | None, low=1),
    "data.device": Field(str, choices=("auto", "cpu", "cuda")),
    "strategy.accelerator": Field(str, choices=ACCELERATORS),
    "logger.mode": Field(str, choices=("auto", "online", "offline")),
    "strategy.devices": Field(int, low=1),
    "trainer.num_nodes": Field(int, low=1),
    "trainer.profiler": Field(typing.Literal["simple", "advanced", "pytorch"] | None),
    "trainer.detect_anomaly": Field(bool),
    "trainer.deterministic": Field(bool | typing.Literal["warn"]),
    "trainer.benchmark": Field(bool | None),
    "trainer.log_every_n_steps": Field(int, low=1),
}

# Sections that hold parts or engine options; everything else at the root is a field above or a
# part that the game's constructor names.
SECTIONS = ("model", "optimizer", "data", "metrics", "logger", "strategy", "callbacks", "trainer")


def check_fields(config: Mapping[str, Any], fields: Mapping[str, Field] = FIELDS) -> None:
    """Check every run-wide option's type and range.

    Raises:
        ConfigError: at the first that is wrong.
    """
    for path, field in fields.items():
        value = lookup(config, path)
        if value is MISSING:
            raise ConfigError(f"{path}: this option is missing; give it a value again.")
        check_type(path, value, field.kind)
        if isinstance(value, int | float) and not isinstance(value, bool):
            in_range(path, value, low=field.low, above=field.above, high=field.high)
        if field.choices:
            one_of(path, value, field.choices)


def check_section(config: Mapping[str, Any], section: str) -> None:
    """Refuse keys of a section that consists of run-wide fields only (samples, ema ...)."""
    known = [path.split(".")[1] for path in FIELDS if path.startswith(f"{section}.")]
    for key in config.get(section) or {}:
        if key not in known:
            raise ConfigError(
                f"{section}.{key}: no such option; {section} has {', '.join(known)}{nearest(key, known) or '.'}"
            )


MISSING = object()


def lookup(config: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, or MISSING."""
    node: Any = config
    for key in path.split("."):
        if not isinstance(node, Mapping) or key not in node:
            return MISSING
        node = node[key]
    return node
