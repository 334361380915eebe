"""What a W&B run is called and where it goes: our options, else W&B's variables, else our defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gan_lab.common.errors import ConfigError, first_line

VARIABLES = {
    "project": "WANDB_PROJECT",
    "entity": "WANDB_ENTITY",
    "name": "WANDB_NAME",
    "group": "WANDB_RUN_GROUP",
    "tags": "WANDB_TAGS",
    "job_type": "WANDB_JOB_TYPE",
    "id": "WANDB_RUN_ID",
    "resume": "WANDB_RESUME",
    "mode": "WANDB_MODE",
}
# W&B's names of its settings, where they differ from those of wandb.init.
SETTINGS = {
    "name": "run_name",
    "group": "run_group",
    "tags": "run_tags",
    "job_type": "run_job_type",
    "id": "run_id",
}
LONGEST_NAME = 128  # W&B's service refuses longer names of runs and groups


@dataclass(frozen=True)
class Choice:
    """One value for W&B, and the option or variable that it is from; empty for a default of ours."""

    value: Any
    source: str = ""


def heard(key: str) -> Choice | None:
    """What W&B's own variable says about this; None where it is not set."""
    variable = VARIABLES[key]
    text = os.environ.get(variable, "")
    if key == "mode":
        text = text.strip().lower()
    if not text:
        return None
    return Choice(text.split(",") if key == "tags" else text, variable)


def choose(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Choice]:
    """Settle each value that somebody has given.

    Args:
        options: of `logger.wandb`, by W&B's names; null, empty ones are not set.
        defaults: ours, for what neither the options nor W&B's variables say.
    """
    found = {}
    for key in VARIABLES:
        default = defaults.get(key)
        given = Choice(options[key], f"logger.wandb.{key}") if options.get(key) else heard(key)
        if given is None and default:
            short = default[:LONGEST_NAME] if key in ("name", "group") else default
            given = Choice(short)
        if given is not None:
            found[key] = given
    return found


def check_choices(wandb: Any, chosen: Mapping[str, Choice]) -> None:
    """Ask W&B about each value before it is asked for a run.

    Raises:
        ConfigError: one sentence that names the option or the variable.
    """
    mode = heard("mode")
    for key, one in {**chosen, **({"mode": mode} if mode else {})}.items():
        source = one.source or VARIABLES[key]
        try:
            wandb.Settings(**{SETTINGS.get(key, key): one.value})
        except (wandb.errors.Error, ValueError) as error:
            raise ConfigError(
                f"{source}={_shown(one.value)}: W&B refuses it ({reason_of(error)})."
            ) from error
        if key in ("name", "group") and len(one.value) > LONGEST_NAME:
            raise ConfigError(
                f"{source}: W&B takes at most {LONGEST_NAME} characters, and this has {len(one.value)}."
            )


def reason_of(error: Exception) -> str:
    """W&B's reason in a line; for errors of pydantic, which it checks settings with, the first one's."""
    if hasattr(error, "errors"):
        found = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        return found.partition(";")[0].rstrip(".")
    return first_line(error)


def _shown(value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
