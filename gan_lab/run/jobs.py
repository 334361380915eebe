"""A run as Hydra starts it: alone, or one job of a multirun, where a failure does not end the others."""

from __future__ import annotations

import logging
import math
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_lab.assembly.build import build_metrics
from gan_lab.common.errors import ConfigError, GanLabError
from gan_lab.config.command import failed_jobs
from gan_lab.config.resume import Command, write_command
from gan_lab.config.schema import lookup
from gan_lab.config.sentences import sentence
from gan_lab.config.sweeps import job_of
from gan_lab.process.console import speaking
from gan_lab.process.cores import processors
from gan_lab.process.interrupts import Interrupted
from gan_lab.process.ranks import place_of
from gan_lab.run.training import Result, run_training
from gan_lab.storage.run_folder import RunFolder

log = logging.getLogger(__name__)


def run_job(config: DictConfig) -> float | None:
    """A run under Hydra: single, or one job of a multirun, where a failure does not end the others.

    Returns:
        The metric at the end; the worst value for a failed job of a multirun, so that a sweeper can go on.
    """
    hydra = HydraConfig.get()
    sweep = hydra.mode == RunMode.MULTIRUN
    folder = Path(hydra.runtime.output_dir)
    command = Command(
        overrides=list(hydra.overrides.task),
        flags=_flags(hydra),
        choices={k: v for k, v in hydra.runtime.choices.items() if not k.startswith("hydra/")},
        group=folder.parent.name if sweep else None,
        name=job_name(hydra) if sweep else None,
        at_once=jobs_at_once(hydra) if sweep else 1,
    )
    if not sweep:
        return _metric(run_training(_plain(config), folder, command))
    with speaking():  # a launcher's process has nobody else who would bring it to people
        log.info(job_of(hydra).words)
        try:
            plain = _plain(config)
            _refuse_in_a_sweep(plain, hydra)
            return _metric(run_training(plain, folder, command))
        except Interrupted as stop:  # Hydra's sweep goes on after exceptions, but not after an exit
            log.info(f"Stopped by {stop.name}; the jobs that were left do not run.")
            raise SystemExit(stop.exit_code) from stop
        except Exception as error:
            return _failed(error, command, folder, OmegaConf.select(config, "sweep.on_error"))


def _metric(result: Result) -> float | None:
    """What a sweeper is told of a run; a metric that is no number must not win."""
    metric = result.metric
    return _worst() if metric is not None and math.isnan(metric) else metric


def _worst() -> float:
    """What a sweeper takes for the worst result: it looks for the lowest value, unless told to look for the highest."""
    hydra: Any = HydraConfig.get()
    direction = OmegaConf.select(hydra, "sweeper.direction")
    return -math.inf if "maximize" in str(direction) else math.inf


def _refuse_in_a_sweep(plain: dict[str, Any], hydra: Any) -> None:
    """Refuse what makes sense in a run of its own only.

    Raises:
        ConfigError: at the first.
    """
    if not place_of(plain).own:
        raise ConfigError(
            f"strategy.devices={lookup(plain, 'strategy.devices')} with -m: the launcher has started several "
            "processes, and each would run the whole sweep; leave the launcher out, and each job starts its own."
        )
    direction = OmegaConf.select(hydra, "sweeper.direction")
    if direction is None:
        return
    metrics = build_metrics(plain)
    if metrics is None:
        raise ConfigError(
            "metrics=none: this sweeper looks for the options with the best metric; "
            "choose one, such as metrics=small."
        )
    lower = metrics.ranking.lower_is_better
    wanted, better = ("minimize", "lower") if lower else ("maximize", "higher")
    if wanted not in str(direction):
        raise ConfigError(
            f"hydra.sweeper.direction={direction}: {metrics.key} ranks here, and {better} is better; "
            f"set hydra.sweeper.direction={wanted}."
        )


def _failed(error: Exception, command: Command, folder: Path, on_error: str | None) -> float:
    """Tell of a job that failed, and leave it behind where the others shall run."""
    job = command.name or folder.name
    failed_jobs.append(job)
    with suppress(GanLabError):
        _note_failure(RunFolder(folder), command, error)
    is_sentence = isinstance(error, GanLabError | OSError)
    said = str(error) if is_sentence else traceback.format_exc()
    log.info(f"The job {job} failed: {said}")
    if on_error == "stop":
        log.info("sweep.on_error=stop: the jobs that were left do not run.")
        raise SystemExit(1) from error
    return _worst()


def job_name(hydra: Any) -> str:
    """A multirun job's options in which it differs from the others, as trackers name it."""
    return ",".join(job_of(hydra).options) or str(hydra.job.override_dirname)


def jobs_at_once(hydra: Any) -> int:
    """How many jobs of a multirun its launcher runs at the same time, where its options tell (joblib's do)."""
    count = OmegaConf.select(hydra, "launcher.n_jobs")
    if not isinstance(count, int) or count == 0:
        return 1
    # As joblib counts: -1 is a job for each processor, -2 leaves one out.
    return count if count > 0 else max(1, len(processors()) + 1 + count)


def _note_failure(folder: RunFolder, command: Command, error: Exception) -> None:
    """Leave what a comparison of the sweep needs of a job that failed before it had a folder."""
    if folder.path.is_dir() and not folder.status.is_file():
        write_command(folder, command)
        folder.write_status(state="failed", reason=str(error) or type(error).__name__)


def _plain(config: DictConfig) -> dict[str, Any]:
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(sentence(error)) from error
    return cast(dict[str, Any], plain)


def _flags(hydra: Any) -> list[str]:
    folders = [s.path for s in hydra.runtime.config_sources if s.provider == "command-line"]
    return [part for path in folders for part in ("--config-dir", path)]
