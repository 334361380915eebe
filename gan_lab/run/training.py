"""One run, from its configuration to its last picture."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from gan_lab.assembly.build import Parts, build, build_trackers
from gan_lab.callbacks.hooks import unheard
from gan_lab.callbacks.limits import Limits
from gan_lab.callbacks.run_state import RunState
from gan_lab.callbacks.samples import grid_name
from gan_lab.callbacks.stop import Stop
from gan_lab.common.durations import refuse_endless
from gan_lab.common.errors import ConfigError, GanLabError
from gan_lab.config.checks import check
from gan_lab.config.lightning import processes
from gan_lab.config.resume import (
    Command,
    check_choices,
    merge,
    with_absolute_paths,
    write_command,
)
from gan_lab.config.stored import stored_command, stored_config
from gan_lab.data.image_set import ImageSet
from gan_lab.data.stream.module import ImageData
from gan_lab.data.stream.sampler import check_enough
from gan_lab.generation.sampling import Sampler
from gan_lab.loggers.lightning import ReporterLogger
from gan_lab.loggers.reporter import Reporter
from gan_lab.process.console import Conversation
from gan_lab.process.interrupts import Interrupted, Interrupts
from gan_lab.process.memory import enough_memory
from gan_lab.process.ranks import Ranks, place_of
from gan_lab.process.threads import Party, sharing
from gan_lab.run.callbacks import foreign, make_callbacks, ours
from gan_lab.run.known_data import compare_images, identity_of
from gan_lab.run.resuming import Resumed, resumed, run_to_resume, settle
from gan_lab.run.together import Following, together
from gan_lab.run.trainer import CountRounds, fit, make_trainer
from gan_lab.run.words import conclude, introduce, nothing_to_train
from gan_lab.storage.checkpoint import load_checkpoint
from gan_lab.storage.environment import describe_environment, other_threads
from gan_lab.storage.files import remove_leftovers, write_whole
from gan_lab.storage.origin import made_here, seal
from gan_lab.storage.run_folder import RunFolder

log = logging.getLogger(__name__)

LIMITS = ("max_kimg", "max_rounds", "max_time")


@dataclass(frozen=True)
class Result:
    """What a run returns: its folder and its metric at the end (None without metrics)."""

    folder: Path
    metric: float | None


def run_training(
    config: dict[str, Any],
    folder: str | Path,
    command: Command | None = None,
    following: Following | None = None,
) -> Result:
    """Train, evaluate and record one run.

    Args:
        config: resolved, plain containers, as composed from conf/train.yaml.
        folder: the run folder; made if missing.
        command: how it was asked for.
        following: set in a rank that another has started.

    Raises:
        GanLabError: one sentence; nothing that was saved before is lost.
        Interrupted: after a signal, when the round was finished and saved.
    """
    command = command or Command()
    run = RunFolder(folder)
    place = place_of(config)
    with Conversation(quiet=not place.first) as conversation, Interrupts() as interrupts:
        return _Run(config, run, command, interrupts, conversation, place, following).go()


class _Run:
    """The stages of a run, in order."""

    def __init__(
        self,
        config: dict[str, Any],
        folder: RunFolder,
        command: Command,
        interrupts: Interrupts,
        conversation: Conversation,
        place: Ranks,
        following: Following | None,
    ) -> None:
        self.config = config
        self.folder = folder
        self.command = command
        self.interrupts = interrupts
        self.place = place
        self.first = place.first
        self.following = following
        self.conversation = conversation
        self.say = log.info
        self.found: Resumed | None = None

    def go(self) -> Result:
        self.folder = run_to_resume(self.config.get("resume"), self.folder)
        # The lock comes before anything is read: what another process still changes is not gone on from.
        with self.folder.held() if self.first else nullcontext():
            return self.go_alone()

    def go_alone(self) -> Result:
        state = self.resume()
        check(self.config)
        # config.yaml keeps `auto`, so that a resumed run is asked the same question.
        with enough_memory():
            parts = build(self.config, self.command.keys)
        self.run = self.new_state(state)
        self.callbacks = make_callbacks(self.config, self.run, self.command.keys)
        self.machine = parts.machine
        self.machine.apply()
        with sharing(self.party()) as self.threads:
            if not self.first:
                parts.metric = None
                return self.train(parts, state)
            self.open_folder(parts)
            return self.train_and_note_the_end(parts, state)

    def party(self) -> Party:
        """What the choice of threads needs to know of this run."""
        return Party(
            self.folder.path,
            group=self.command.group and str(self.folder.path.parent.absolute()),
            at_once=self.command.at_once,
            ranks=self.config["strategy"]["devices"],
        )

    def train_and_note_the_end(self, parts: Parts, state: dict[str, Any] | None) -> Result:
        """Train, and leave in status.json how it ended."""
        try:
            with enough_memory():
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
        if self.following is not None:  # the first rank has settled both
            path = self.following.checkpoint
            return None if path is None else load_checkpoint(Path(path))
        wish = self.config.get("resume")
        self.found = resumed(wish, self.folder, alone=self.first)
        if self.found is None:
            return None
        check_choices(stored_command(self.folder)["choices"], self.command.choices or {})
        self.config = merge(
            stored_config(self.folder),
            self.config,
            self.command.keys,
            # From Python it is not known which options were set on purpose.
            everything=wish == "auto" or not self.command.overrides,
        )
        self.place = place_of(self.config)
        return self.found.state

    def open_folder(self, parts: Parts) -> None:
        """Make the run folder and write what the run is."""
        try:
            self.folder.checkpoints.mkdir(parents=True, exist_ok=True)
            self.folder.samples.mkdir(exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"hydra.run.dir={self.folder.path}: the run folder cannot be made ({error.strerror})."
            ) from error
        for place in (self.folder.path, self.folder.checkpoints, self.folder.samples):
            remove_leftovers(place)
        self.conversation.keep_in(self.folder.log)
        ours = self.found is None or made_here(self.folder)
        self.config = with_absolute_paths(self.config)
        write_whole(self.folder.config, yaml.safe_dump(self.config, sort_keys=False))
        if self.found is None:
            write_command(self.folder, self.command, self.config)
        else:
            for note in self.found.notes:
                self.say(note)
            settle(self.found, self.folder, keep=self.config["checkpoint"]["keep"])
        if ours:
            seal(self.folder)
        self.folder.write_status(state="running")
        for note in other_threads(self.folder.environment, self.threads.count):
            self.say(note)
        environment = describe_environment({**self.machine.plain(), **self.threads.plain()})
        write_whole(self.folder.environment, json.dumps(environment, indent=1) + "\n")
        if parts.dropped:
            self.say(f"Not used by the chosen parts: {', '.join(parts.dropped)}.")

    def new_state(self, state: Mapping[str, Any] | None) -> RunState:
        """What the run knows of itself, with what a checkpoint keeps of that."""
        return RunState(
            self.folder,
            Reporter(self.folder),
            stop=Stop(**{limit: self.config[limit] for limit in LIMITS}),
            interrupts=self.interrupts,
            identity=dict((state or {}).get("identity") or {}),
        )

    def train(self, parts: Parts, state: dict[str, Any] | None) -> Result:
        game, run = parts.game, self.run
        game.say = self.say
        self.say(f"Run folder: {self.folder.path}")
        self.say(self.machine.words())
        if self.threads.because:
            self.say(self.threads.because)
        introduce(game, self.say, ranks=processes(self.config))
        if self.first:
            self.open_trackers(state)
        exit_code = 1
        try:
            images = self.load(parts.source, state)
            if parts.metric is not None:
                self.prepare_metric(game, parts.source, parts.metric)
                run.measure_with(parts.metric)
            if state is not None:
                self.restore(game, state)
                run.scores.restore(state.get("evaluation") or {})
            self.fit(game, self.stream(images, parts.source))
            self.interrupts.check()
            if self.first:
                conclude(run, game, self.say)
            exit_code = 0
        finally:
            run.reporter.close(exit_code)
        return Result(self.folder.path, run.scores.last_value)

    def open_trackers(self, state: Mapping[str, Any] | None) -> None:
        """Open the chosen trackers, before the data: a missing login must not cost an hour of statistics."""
        if state is not None:  # trackers continue from what is left
            self.drop_what_came_later(state)
        trackers = build_trackers(
            self.config, folder=self.folder, command=self.command, identity=self.run.identity
        )
        self.run.reporter.add(trackers)

    def load(self, source: Any, state: Mapping[str, Any] | None) -> ImageSet:
        """The images to train on, with what is to be said about them."""
        images: ImageSet = source.load(source.splits[0])
        for sentence in images.sentences():
            self.say(sentence)
        check_enough(images, self.config["data"]["batch_size"])
        if state is not None:
            changed = self.config["data"]["changed"]
            for note in compare_images(images, self.run.identity.get("data"), changed=changed):
                self.say(note)
        self.run.identity["data"] = identity_of(images)
        return images

    def stream(self, images: ImageSet, source: Any) -> ImageData:
        """The images in the order in which training sees them."""
        options = self.config["data"]
        return ImageData(
            images,
            batch_size=options["batch_size"],
            seed=self.config["seed"],
            flip=source.flip,
            place=options["device"],
        )

    def prepare_metric(self, game: Any, source: Any, metric: Any) -> None:
        """Find weights, compute statistics of the reals, say how long evaluation will take."""
        device = torch.device(self.machine.device)
        metric.prepare(source, device)
        about = metric.about_reals if metric.split != source.splits[0] else ()
        for note in (*about, *metric.notes):
            self.say(note)
        sampler = Sampler(game.to(device), game.averaged_networks())
        seconds = metric.estimate_seconds(sampler)
        refuse_endless("metrics.num_samples", metric.num_samples, seconds=seconds)
        self.say(
            f"An evaluation of {metric.num_samples:,} samples will take about {seconds:.0f} s."
        )

    def restore(self, game: Any, state: Mapping[str, Any]) -> None:
        try:
            game.restore(state)
        except (RuntimeError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{self.config['resume']}: the checkpoint does not fit this model "
                f"({str(error).splitlines()[0]})."
            ) from error
        self.say(f"Resumed at iteration {game.clock.iteration} ({game.clock.kimg:.1f} kimg).")

    def drop_what_came_later(self, state: Mapping[str, Any]) -> None:
        """Drop records and grids past the checkpoint: the resumed run makes them again."""
        clock = state["clock"]
        dropped = self.folder.drop_records_after(clock["iteration"], state.get("records"))
        if dropped:
            self.say(f"{dropped} records past the checkpoint were dropped.")
        for grid in self.folder.samples.glob("kimg-*.png"):
            if grid.name > grid_name(clock["images_seen"]):
                grid.unlink()

    def fit(self, game: Any, data: ImageData) -> None:
        """Train until the stop or a signal, with what is due at both ends."""
        run = self.run
        limits = Limits(run=run)
        watching = ours(self.callbacks) if self.first else []
        if self.first and run.stop.counted_out(game.clock):
            self.say(nothing_to_train(run, watching, game.clock))
        others = foreign(self.callbacks)
        game.round_callbacks = [*watching, limits]
        every: list[Any] = [*watching, limits]
        logger = None
        for note in unheard(others):
            self.say(f"Warning: {note}")
        if others:
            every = [CountRounds(), *every, *others]
            logger = ReporterLogger(run.reporter if self.first else None, lambda: game.clock)
        self.interrupts.deferred = True
        try:
            with together(
                self.place,
                self.config["strategy"]["devices"],
                task=self.task(),
                following=self.following,
                interrupts=self.interrupts,
            ) as meeting:
                trainer = make_trainer(
                    self.config, every, folder=self.folder.path, logger=logger, meeting=meeting
                )
                fit(trainer, game, data)
        finally:
            self.interrupts.deferred = False

    def task(self) -> dict[str, Any]:
        """What the ranks that this process starts must know."""
        return {
            "config": self.config,
            "folder": str(self.folder.path.absolute()),
            "group": self.command.group and str(self.folder.path.parent.absolute()),
            "command": asdict(self.command),
            "checkpoint": None if self.found is None else str(self.folder.last.absolute()),
        }
