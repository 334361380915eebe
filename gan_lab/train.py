"""Train a GAN: `python -m gan_lab.train model=wgan_gp data=celeba data.root=<folder>`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from gan_lab.process.interrupts import end_at_signals

if __name__ == "__main__":
    end_at_signals()  # before the slow imports; run_command takes over

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_lab.common.errors import ConfigError
from gan_lab.common.paths import user_path
from gan_lab.config.choices import check_choices_of
from gan_lab.config.command import around_hydra, run_command
from gan_lab.config.groups import CONF
from gan_lab.config.line import CommandLine, override_key
from gan_lab.config.paths import HYDRA_FOLDERS, quote
from gan_lab.config.permission import guard_environment
from gan_lab.config.resume import command_of_resumed_run
from gan_lab.config.sentences import sentence
from gan_lab.process.threads import starting


@hydra.main(version_base="1.3", config_path=CONF, config_name="train")
@around_hydra
def job(config: DictConfig) -> float | None:
    """One run, or one job of a multirun; returns its metric."""
    from gan_lab.run.jobs import run_job

    return run_job(config)


def compose(overrides: Sequence[str] = ()) -> DictConfig:
    """The configuration that the command line would compose from these overrides.

    `resume=<run folder or file>` takes that run's own choices, as on the command line.

    Raises:
        ConfigError: one sentence, where an override is wrong.
        CheckpointError: where there is no run to resume.
    """
    guard_environment()
    line = CommandLine(tuple(overrides))
    with hydra.initialize_config_dir(version_base="1.3", config_dir=CONF):
        try:
            line = command_of_resumed_run(line)
            check_choices_of(line, "train")
            asked = [o for o in line.quoted if override_key(o) not in HYDRA_FOLDERS]
            if "config_dir" in line.flags:
                asked.append(f"hydra.searchpath=[{quote('file://' + line.flags['config_dir'])}]")
            return hydra.compose(config_name="train", overrides=asked)
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(sentence(error, line)) from error


def train(config: DictConfig | Mapping[str, Any], folder: str | Path | None = None) -> float | None:
    """Train from Python, such as a notebook.

    Args:
        config: what `compose` returned, possibly changed.
        folder: the run folder; by default a new one below outputs/.

    Returns:
        The metric at the end; None with metrics=none.

    Raises:
        GanLabError: one sentence, where the user can mend it.
    """
    plain: Any = OmegaConf.to_container(OmegaConf.create(dict(config)), resolve=True)
    path = _new_folder(plain) if folder is None else user_path(folder, "folder")
    with starting(path):
        from gan_lab.run.training import run_training

        return run_training(plain, path).metric


def _new_folder(config: Mapping[str, Any]) -> Path:
    """A fresh run folder below outputs/ for runs that Hydra does not name."""
    now = datetime.now()
    name = str(config["model"]["_target_"]).rpartition(".")[2].lower()
    return Path("outputs") / f"{now:%Y-%m-%d}" / f"{now:%H-%M-%S.%f}-{name}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return run_command("gan_lab.train", job, given, prepare=command_of_resumed_run)


if __name__ == "__main__":
    sys.exit(main())
