"""One run from its configuration to its last picture; and what a job of a multirun is."""

from __future__ import annotations

import logging
import math
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch.nn.modules.batchnorm import _BatchNorm

from gan_lab.checkpoint import load_checkpoint, remove_leftovers
from gan_lab.config.build import Parts, build, build_trackers
from gan_lab.config.checks import check, check_device
from gan_lab.config.command import failed_jobs, sentence
from gan_lab.config.resume import key_of, merge, resume_path, stored_config
from gan_lab.config.schema import lookup
from gan_lab.console import Console
from gan_lab.environment import describe_environment
from gan_lab.errors import ConfigError, GanLabError
from gan_lab.interrupts import Interrupted, Interrupts
from gan_lab.ranks import first_rank
from gan_lab.run_folder import RunFolder, write_atomically

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

    from gan_lab.callbacks.base import AfterRound
    from gan_lab.callbacks.evaluation import Evaluation


@dataclass(frozen=True)
class Result:
    """What a run returns: its folder and its metric at the end (None without metrics)."""

    folder: Path
    metric: float | None


@dataclass(frozen=True)
class Command:
    """How a run was asked for: what the user set, for checks and for resuming."""

    overrides: Sequence[str] = ()
    flags: Sequence[str] = ()
    choices: Mapping[str, Any] | None = None
    group: str | None = None
    name: str | None = None

    @property
    def keys(self) -> list[str]:
        """Dotted paths that the user set."""
        return [key_of(override) for override in self.overrides]


def run_job(config: DictConfig) -> float | None:
    """A run under Hydra: single, or one job of a multirun, where a failure does not end the others.

    Returns:
        The metric at the end; infinity for a failed job of a multirun, so that a sweeper can go on.
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
    )
    try:
        plain = _plain(config)
        if sweep and lookup(plain, "strategy.devices") != 1:
            raise ConfigError(
                f"strategy.devices={lookup(plain, 'strategy.devices')} with -m: each rank would start the whole sweep "
                "again; run the jobs one by one, or under a launcher such as submitit."
            )
        metric = run_training(plain, folder, command).metric
        return math.inf if metric is not None and math.isnan(metric) else metric
    except Interrupted as stop:
        if sweep:  # Hydra's sweep goes on after exceptions, but not after an exit
            Console()(f"Stopped by {stop.name}; the jobs that were left do not run.")
            raise SystemExit(stop.exit_code) from stop
        raise
    except Exception as error:
        if not sweep:
            raise
        job = command.name or str(hydra.job.num)
        failed_jobs.append(job)
        with suppress(GanLabError):
            _note_failure(RunFolder(folder), command, error)
        told = isinstance(error, GanLabError | OSError)
        said = str(error) if told else traceback.format_exc()
        Console()(f"The job {job} failed: {said}")
        if OmegaConf.select(config, "sweep.on_error") == "stop":
            Console()("sweep.on_error=stop: the jobs that were left do not run.")
            raise SystemExit(1) from error
        return math.inf


def run_training(
    config: dict[str, Any], folder: str | Path, command: Command | None = None
) -> Result:
    """Train, evaluate and record one run.

    Args:
        config: resolved, plain containers, as composed from conf/train.yaml.
        folder: the run folder; made if missing.
        command: how it was asked for.

    Raises:
        GanLabError: one sentence; nothing that was saved before is lost.
        Interrupted: after SIGINT or SIGTERM, when the round was finished and saved.
    """
    command = command or Command()
    run = RunFolder(folder)
    with Interrupts() as interrupts:
        return _Run(config, run, command, interrupts).go()


def job_name(hydra: Any) -> str:
    """A multirun job's overrides that its command line sweeps over; all where that is not known."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    try:
        given = [a for a in sys.argv[1:] if "=" in a and not a.startswith("-")]
        parsed = OverridesParser.create().parse_overrides(given)
    except HydraException:  # a launcher's process has a command line of its own
        parsed = []
    swept = {key_of(one.input_line or "") for one in parsed if one.is_sweep_override()}
    told = [one for one in hydra.overrides.task if key_of(one) in swept]
    return ",".join(told) or str(hydra.job.override_dirname)


def write_command(folder: RunFolder, command: Command) -> None:
    """Write how a run was asked for to overrides.yaml."""
    said = {
        "overrides": [o for o in command.overrides if not key_of(o).startswith("hydra")],
        "flags": list(command.flags),
        "choices": dict(command.choices or {}),
    }
    write_atomically(folder.overrides, yaml.safe_dump(said, sort_keys=False))


def _note_failure(folder: RunFolder, command: Command, error: Exception) -> None:
    """Leave what a comparison of the sweep needs of a job that failed before it had a folder."""
    if folder.path.is_dir() and not folder.status.is_file():
        write_command(folder, command)
        folder.write_status(state="failed", reason=str(error) or type(error).__name__)


def new_folder(config: Mapping[str, Any]) -> Path:
    """A fresh run folder below outputs/ for runs that Hydra does not name."""
    now = datetime.now()
    name = str(config["model"]["_target_"]).rpartition(".")[2].lower()
    return Path("outputs") / f"{now:%Y-%m-%d}" / f"{now:%H-%M-%S.%f}-{name}"


class _Run:
    """The stages of a run, in order."""

    def __init__(
        self, config: dict[str, Any], folder: RunFolder, command: Command, interrupts: Interrupts
    ) -> None:
        self.config = config
        self.folder = folder
        self.command = command
        self.interrupts = interrupts
        self.first = first_rank()
        self.say = Console(quiet=not self.first)

    def go(self) -> Result:
        state = self.resume()
        check(self.config)
        self.config["precision"] = choose_precision(self.config["precision"])
        check_device(self.config, device_of(self.config))
        parts = build(self.config, self.command.keys)
        if not self.first:
            parts.metric = None
            return self.train(parts, state)
        self.open_folder(state, parts)
        try:
            result = self.train(parts, state)
        except Interrupted as stop:
            with suppress(GanLabError):
                self.folder.write_status(state="interrupted", reason=stop.name)
            raise
        except Exception as error:
            # Where the disk is full this fails too, and the cause is what people need to read.
            with suppress(GanLabError, OSError):
                self.folder.write_status(state="failed", reason=str(error) or type(error).__name__)
                if not isinstance(error, GanLabError):
                    (self.folder.path / "error.txt").write_text(traceback.format_exc())
            raise
        self.folder.write_status(state="finished", metric=result.metric)
        return result

    def resume(self) -> dict[str, Any] | None:
        """The checkpoint to go on from; its run's configuration replaces most of this one."""
        wish = self.config.get("resume")
        path = resume_path(wish, self.folder)
        if path is None:
            if self.folder.last.is_file():
                raise ConfigError(
                    f"hydra.run.dir={self.folder.path}: a run lies there already; "
                    "resume=auto goes on with it, another hydra.run.dir starts a new one."
                )
            return None
        state = load_checkpoint(path)
        self.folder = RunFolder.existing(path)
        self.config = merge(
            stored_config(self.folder),
            self.config,
            self.command.keys,
            everything=wish == "auto",
        )
        return state

    def open_folder(self, state: Mapping[str, Any] | None, parts: Parts) -> None:
        """Make the run folder and write what the run is."""
        try:
            self.folder.checkpoints.mkdir(parents=True, exist_ok=True)
            self.folder.samples.mkdir(exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"hydra.run.dir={self.folder.path}: the run folder cannot be made ({error.strerror})."
            ) from error
        remove_leftovers(self.folder.checkpoints)
        self.say = Console(self.folder.log)
        write_atomically(self.folder.config, yaml.safe_dump(self.config, sort_keys=False))
        if state is None:
            write_command(self.folder, self.command)
            self.folder.metrics.unlink(missing_ok=True)
        import json

        environment = describe_environment(device_of(self.config), self.config["precision"])
        write_atomically(self.folder.environment, json.dumps(environment, indent=1) + "\n")
        if parts.dropped:
            self.say(f"Not used by the chosen parts: {', '.join(parts.dropped)}.")

    def train(self, parts: Parts, state: dict[str, Any] | None) -> Result:
        game, source, metric = parts.game, parts.source, parts.metric
        self.say(f"Run folder: {self.folder.path}")
        for name, network in game.named_children():
            count = sum(p.numel() for p in network.parameters())
            self.say(f"{name}: {count:,} parameters")
        for warning in [*game.warnings(), *accumulation_warning(game)]:
            self.say(f"Warning: {warning}")
        images = source.load(source.splits[0])
        self.say(f"{images.name} ({images.split}): {len(images.images):,} images")
        for note in images.notes:
            self.say(note)
        from gan_lab.data.sampler import check_enough

        check_enough(images, self.config["data"]["batch_size"])
        device = torch.device(device_of(self.config))
        if metric is not None:
            self.prepare_metric(game, source, metric, device)
        if state is not None:
            self.restore(game, state)
        from gan_lab.data.module import ImageData

        data = ImageData(
            images,
            batch_size=self.config["data"]["batch_size"],
            seed=self.config["seed"],
            flip=source.flip,
        )
        identity = dict((state or {}).get("identity") or {})
        trackers = []
        if self.first:
            trackers = build_trackers(
                self.config, folder=self.folder, command=self.command, identity=identity
            )
        from gan_lab.loggers.reporter import Reporter

        reporter = Reporter(self.folder, trackers)
        exit_code = 1
        try:
            evaluation = self.fit(game, data, metric, reporter, state, identity)
            self.interrupts.check()
            if self.first:
                self.finish(evaluation, reporter, game)
            exit_code = 0
        finally:
            reporter.close(exit_code)
        return Result(self.folder.path, None if evaluation is None else evaluation.last_value)

    def prepare_metric(self, game: Any, source: Any, metric: Any, device: torch.device) -> None:
        """Find weights, compute statistics of the reals, say how long evaluation will take."""
        from gan_lab.sampling import Sampler

        metric.prepare(source, device)
        for note in metric.notes:
            self.say(note)
        sampler = Sampler(game.to(device), game.averaged_networks())
        seconds = metric.estimate_seconds(sampler)
        self.say(
            f"An evaluation of {metric.num_samples:,} samples will take about {seconds:.0f} s."
        )

    def restore(self, game: Any, state: Mapping[str, Any]) -> None:
        try:
            game.restore(state)
        except (RuntimeError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{self.folder.last}: the checkpoint does not fit this model "
                f"({str(error).splitlines()[0]})."
            ) from error
        dropped = self.folder.drop_records_after(game.clock.iteration) if self.first else 0
        self.say(
            f"Resumed at iteration {game.clock.iteration} ({game.clock.kimg:.1f} kimg)"
            + (f"; {dropped} later records were dropped." if dropped else ".")
        )

    def fit(
        self,
        game: Any,
        data: Any,
        metric: Any,
        reporter: Any,
        state: Mapping[str, Any] | None,
        identity: dict[str, Any],
    ) -> Evaluation | None:
        from gan_lab.callbacks.checkpoints import Checkpoints
        from gan_lab.callbacks.evaluation import Evaluation
        from gan_lab.callbacks.limits import Limits
        from gan_lab.callbacks.samples import Samples
        from gan_lab.callbacks.status import Status

        config = self.config
        limits = Limits(
            max_kimg=config["max_kimg"],
            max_rounds=config["max_rounds"],
            max_time=config["max_time"],
            interrupts=self.interrupts,
        )
        status = Status(reporter, every_rounds=config["log_every_rounds"], limits=limits, board={})
        evaluation = None
        if metric is not None:
            evaluation = Evaluation(
                metric, reporter, status=status, interrupts=self.interrupts, say=self.say
            )
            if state is not None and "evaluation" in state:
                evaluation.restore(state["evaluation"])
        samples = Samples(
            self.folder.samples,
            reporter,
            every_kimg=config["samples"]["every_kimg"],
            count=config["samples"]["num"],
        )
        checkpoints = Checkpoints(
            self.folder,
            every_kimg=config["checkpoint"]["every_kimg"],
            evaluation=evaluation,
            identity=identity,
            say=self.say,
        )
        callbacks: list[AfterRound] = [limits]
        if self.first:
            callbacks = [
                status,
                *([evaluation] if evaluation else []),
                samples,
                checkpoints,
                limits,
            ]
        game.round_callbacks = callbacks
        if limits.reached(game.clock):
            self.say("The stop is reached already; nothing to train. Raise max_kimg to go on.")
            return evaluation
        trainer = make_trainer(config, [*callbacks, _SignalsAfterLightning(self.interrupts)])
        self.interrupts.deferred = True
        try:
            trainer.fit(game, datamodule=data)
        finally:
            self.interrupts.deferred = False
        return evaluation

    def finish(self, evaluation: Evaluation | None, reporter: Any, game: Any) -> None:
        """Draw the curves and say where everything is."""
        from gan_lab.curves import draw_curves

        draw_curves([self.folder], self.folder.curves)
        reporter.picture(game.clock, "curves", self.folder.curves)
        if evaluation is not None and evaluation.last_value is not None:
            self.say(f"{evaluation.metric.key} at the end: {evaluation.last_value:.4g}")
        self.say(f"Results: {self.folder.path}")
        self.say(f"  samples       {newest(self.folder.samples)}")
        self.say(f"  curves        {self.folder.curves}")
        self.say(f"  more samples  python -m gan_lab.sample run={self.folder.path}")


def accumulation_warning(game: Any) -> list[str]:
    """A sentence where micro-batches cannot equal the large batch: batch statistics are each one's own."""
    names = [
        name
        for name, network in game.named_children()
        if any(isinstance(module, _BatchNorm) for module in network.modules())
    ]
    if game.options.accumulate == 1 or not names:
        return []
    return [
        f"accumulate={game.options.accumulate} with batch normalisation in {' and '.join(names)}: its statistics are "
        "those of each micro-batch, so the result is not that of the large batch."
    ]


def newest(folder: Path) -> Path:
    """The last PNG of a folder by name."""
    return max(folder.glob("*.png"), default=folder)


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


def choose_precision(name: str) -> str:
    """`auto` is bf16 where a GPU computes it natively, else fp32."""
    if name != "auto":
        return name
    return (
        "bf16-mixed" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "32-true"
    )


def make_trainer(config: Mapping[str, Any], callbacks: Sequence[Any]) -> Trainer:
    """Lightning's trainer with everything switched off that the engine does itself."""
    from lightning.pytorch import Trainer

    from gan_lab.engine.replicas import Replicas

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    for category in (UserWarning, FutureWarning, DeprecationWarning):
        warnings.filterwarnings("ignore", category=category, module="lightning")
    devices = config["strategy"]["devices"]
    return Trainer(
        accelerator=config["strategy"]["accelerator"],
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


def _SignalsAfterLightning(interrupts: Interrupts) -> Any:  # noqa: N802 - a class made where Lightning is imported
    from lightning.pytorch import Callback

    class SignalsAfterLightning(Callback):
        """Sets our handlers again: Lightning's end a run by SIGTERM with exit code 0."""

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            """Lightning has set its own by now."""
            del trainer, pl_module
            interrupts.install()

    return SignalsAfterLightning()


def _plain(config: DictConfig) -> dict[str, Any]:
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(sentence(error)) from error
    return cast(dict[str, Any], plain)


def _flags(hydra: Any) -> list[str]:
    folders = [s.path for s in hydra.runtime.config_sources if s.provider == "command-line"]
    return [part for path in folders for part in ("--config-dir", path)]
