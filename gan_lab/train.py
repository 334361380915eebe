"""Train a GAN: `python -m gan_lab.train model=wgan_gp data=celeba data.root=<folder>`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_lab.process.interrupts import end_at_signals

if __name__ == "__main__":
    end_at_signals()  # before the slow imports; run_command takes over

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from gan_lab.common.errors import ConfigError
from gan_lab.common.paths import user_path
from gan_lab.config.choices import check_choices_of
from gan_lab.config.command import around_hydra, run_command
from gan_lab.config.composed import Composed, overrides_of
from gan_lab.config.groups import CONF
from gan_lab.config.line import CommandLine, override_key
from gan_lab.config.paths import HYDRA_FOLDERS, quote
from gan_lab.config.permission import guard_environment
from gan_lab.config.resume import Command, command_of_resumed_run
from gan_lab.config.sentences import sentence
from gan_lab.process.progress import loading
from gan_lab.process.threads import starting

if TYPE_CHECKING:
    from gan_lab.run.outcome import TrainedRun


@hydra.main(version_base="1.3", config_path=CONF, config_name="train")
@around_hydra
def job(config: DictConfig) -> float | None:
    """One run, or one job of a multirun; returns its metric."""
    with loading():
        from gan_lab.run.jobs import run_job

    return run_job(config)


def compose(overrides: Sequence[str] = (), **options: Any) -> Composed:
    """The configuration that the command line would compose from these overrides.

    `resume=<run folder or file>` takes that run's own choices, as on the command line.

    Args:
        overrides: as on the command line, such as "model=dcgan".
        options: the same as keywords, as `train` takes them; they come after the overrides.

    Raises:
        ConfigError: one sentence, where an override is wrong.
        CheckpointError: where there is no run to resume.
    """
    guard_environment()
    line = CommandLine((*overrides, *overrides_of(options)))
    with hydra.initialize_config_dir(version_base="1.3", config_dir=CONF):
        try:
            line = command_of_resumed_run(line)
            check_choices_of(line, "train")
            asked = [o for o in line.quoted if override_key(o) not in HYDRA_FOLDERS]
            flags: list[str] = []
            if "config_dir" in line.flags:
                flags = ["--config-dir", line.flags["config_dir"]]
                asked.append(f"hydra.searchpath=[{quote(f'file://{flags[1]}')}]")
            whole = hydra.compose(config_name="train", overrides=asked, return_hydra_config=True)
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(sentence(error, line)) from error
    return _composed(whole, flags)


def train(
    config: DictConfig | Mapping[str, Any] | None = None,
    folder: str | Path | None = None,
    **options: Any,
) -> TrainedRun:
    """Train from Python, such as a notebook: `train(model="dcgan", max_kimg=20, generator={"width": 32})`.

    Args:
        config: what `compose` returned, possibly changed; or leave it out and give options.
        folder: the run folder; by default a new one below outputs/, named after the chosen model and data set.
        options: as on the command line. A mapping sets the options below a name, and
            `**{"optimizer.generator.lr": 1e-4}` one by its dotted name.

    Returns:
        The run's folder, metric and history.

    Raises:
        GanLabError: one sentence, where the user can mend it.
    """
    if config is not None and options:
        raise ConfigError(
            f"{', '.join(options)}: options go into compose([...], ...) where its result is given to train."
        )
    asked = compose(**options) if config is None else config
    plain: Any = OmegaConf.to_container(OmegaConf.create(dict(asked)), resolve=True)
    choices = asked.choices if isinstance(asked, Composed) else {}
    command = Command()
    if isinstance(asked, Composed) and asked.unchanged:
        command = Command(asked.overrides, asked.flags, choices)
    path = _new_folder(plain, choices) if folder is None else user_path(folder, "folder")
    with starting(path):
        from gan_lab.run.outcome import outcome_of
        from gan_lab.run.training import run_training

        # Absolute: a notebook may go to another folder meanwhile.
        return outcome_of(run_training(plain, path, command).folder.absolute())


def _composed(whole: DictConfig, flags: Sequence[str]) -> Composed:
    """The options of a composition without Hydra's own, with what Hydra knows of their making."""
    runtime, overrides = whole.hydra.runtime, list(whole.hydra.overrides.task)
    choices = {k: v for k, v in runtime.choices.items() if not k.startswith("hydra/")}
    with open_dict(whole):
        del whole["hydra"]
    return Composed(whole, choices=choices, overrides=overrides, flags=flags)


def _new_folder(config: Mapping[str, Any], choices: Mapping[str, Any]) -> Path:
    """A fresh run folder below outputs/, named as Hydra names those of the command line."""
    now = datetime.now()
    classes = {
        part: str(config[part]["_target_"]).rpartition(".")[2].lower() for part in ("model", "data")
    }
    name = "-".join(str(choices.get(part) or classes[part]) for part in ("model", "data"))
    return Path("outputs") / f"{now:%Y-%m-%d}" / f"{now:%H-%M-%S-%f}-{name}"


def _conclude(sweep: Path) -> list[str]:
    """The end of a multirun."""
    from gan_lab.run.sweeps import conclude_sweep

    return conclude_sweep(sweep)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return run_command(
        "gan_lab.train", job, given, prepare=command_of_resumed_run, conclude=_conclude
    )


if __name__ == "__main__":
    sys.exit(main())
