"""Options that are paths: how they pass through Hydra unharmed, and how its own folders are read."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict

from gan_lab.common.errors import ConfigError
from gan_lab.common.paths import user_path as user_path

HYDRA_FOLDERS = ("hydra.run.dir", "hydra.sweep.dir")
PATH_OPTIONS = (
    "run", "out", "checkpoint", "resume", "init", "data.root", "metrics.weights", "logger.folder", *HYDRA_FOLDERS,
)  # fmt: skip
# Options that are texts with commas, which Hydra would take for the jobs of a multirun.
LISTS = ("seeds",)

# Hydra's ways to name several values at once, which stay as they are.
_SWEEPS = re.compile(r"(choice|glob|range|interval|sort|shuffle|tag)\(")


def quote_paths(arguments: Sequence[str], *, sweep: bool) -> list[str]:
    """Quote paths and lists for Hydra, which would stumble over the = and , in `run=outputs/lr=1,seed=2`.

    Args:
        arguments: overrides such as `data.root=my photos`; what is no path or quoted already stays as it is.
        sweep: a comma separates the jobs of a multirun, unless a file of the whole name exists.
    """
    return [_quoted(argument, sweep) for argument in arguments]


def _quoted(argument: str, sweep: bool) -> str:
    key, equals, value = argument.partition("=")
    option = key.lstrip("+")
    if not equals or option not in (*PATH_OPTIONS, *LISTS) or value[:1] in ("'", '"', ""):
        return argument
    several = sweep and option not in HYDRA_FOLDERS
    if several and _SWEEPS.match(value):
        return argument
    values = [value]
    if several and "," in value and (option in LISTS or not user_path(value, option).exists()):
        values = [part.strip() for part in value.split(",")]
    return f"{key}={','.join(map(quote, values))}"


def quote(value: str) -> str:
    """The value as Hydra reads it back letter by letter; null stays no value."""
    return value if value == "null" else QuotedString(value, Quote.single).with_quotes()


class HydraFolders(Callback):
    """Reads `hydra.run.dir` and `hydra.sweep.dir` as all other paths are read, before Hydra makes the folder."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Settle the folder of a single run."""
        self._settle(config, "run")

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Settle the folder of a multirun; its jobs are composed from the overrides."""
        self._settle(config, "sweep")

    def _settle(self, config: DictConfig, kind: str) -> None:
        option = f"hydra.{kind}.dir"
        written = dict(OmegaConf.to_container(config.hydra[kind], resolve=False))["dir"]  # type: ignore[arg-type]
        try:
            folder = str(user_path("" if written is None else str(written), option))
        except ConfigError as error:
            # Hydra turns exceptions of callbacks into warnings, and would go on.
            logging.getLogger(__name__).error(error)
            raise SystemExit(error.exit_code) from error
        if folder != str(written):
            with open_dict(config.hydra):
                config.hydra[kind].dir = folder
                config.hydra.overrides.hydra.append(f"{option}={quote(folder)}")
