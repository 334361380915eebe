"""One run, from its configuration to its last picture."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_lab.assembly.build import Parts, build, build_trackers
from gan_lab.assembly.normalised import take_references
from gan_lab.callbacks.run_state import RunState
from gan_lab.callbacks.stop import Stop
from gan_lab.config.checks import check
from gan_lab.config.lightning import processes
from gan_lab.config.resume import Command
from gan_lab.loggers.reporter import Reporter
from gan_lab.process.console import Conversation
from gan_lab.process.interrupts import Interrupts
from gan_lab.process.memory import enough_memory
from gan_lab.process.progress import phase
from gan_lab.process.ranks import place_of
from gan_lab.process.threads import sharing
from gan_lab.run.asked import Asked
from gan_lab.run.beginning import begin
from gan_lab.run.callbacks import make_callbacks
from gan_lab.run.going_on import drop_what_came_later, go_on, restore
from gan_lab.run.images import load_images, plain_facts, prepare_metrics, stream, take_masks
from gan_lab.run.opening import note_environment, noting_a_failure, open_folder
from gan_lab.run.resuming import run_to_resume
from gan_lab.run.rounds import play_rounds
from gan_lab.run.together import Following
from gan_lab.run.words import announce_evaluations, conclude, introduce
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
    run = RunFolder(folder)
    place = place_of(config)
    command = command or Command()
    with (
        Conversation(quiet=not place.first, side_by_side=command.at_once > 1) as conversation,
        Interrupts() as interrupts,
    ):
        run = run_to_resume(config.get("resume"), run)
        asked = Asked(config, run, command, interrupts, place, place.first, following)
        # The lock comes before anything is read: what another process still changes is not gone on from.
        with run.held() if asked.first else nullcontext():
            return _Stages(*go_on(asked), conversation).go()


class _Stages:
    """The stages of a run, in order."""

    def __init__(
        self, asked: Asked, state: dict[str, Any] | None, conversation: Conversation
    ) -> None:
        self.asked = asked
        self.state = state
        self.conversation = conversation
        self.begun: list[str] = []

    def go(self) -> Result:
        asked = self.asked
        check(asked.config)
        # config.yaml keeps `auto`, so that a resumed run is asked the same question.
        with enough_memory(), phase("Making the networks"):
            parts = build(asked.config, asked.command.keys)
            if self.state is None:
                asked, self.begun = begin(asked, parts.game)
                self.asked = asked
        self.run = self.new_state()
        self.callbacks = make_callbacks(asked.config, self.run, asked.command.keys)
        self.machine = parts.machine
        self.machine.apply()
        with sharing(asked.party()) as self.threads:
            if not asked.first:
                parts.metrics = None
                return self.train(parts)
            self.asked = open_folder(asked, self.conversation)
            note_environment(asked.folder, self.machine, self.threads)
            if parts.dropped:
                log.info(f"Not used by the chosen parts: {', '.join(parts.dropped)}.")
            with noting_a_failure(asked.folder), enough_memory():
                result = self.train(parts)
            ranked = {"ranked_by": key} if (key := self.run.scores.key) else {}
            asked.folder.write_status(state="finished", metric=result.metric, **ranked)
            return result

    def new_state(self) -> RunState:
        """What the run knows of itself, with what a checkpoint keeps of that."""
        return RunState(
            self.asked.folder,
            Reporter(self.asked.folder),
            stop=Stop(**{limit: self.asked.config[limit] for limit in LIMITS}),
            interrupts=self.asked.interrupts,
            identity=dict((self.state or {}).get("identity") or {}),
        )

    def train(self, parts: Parts) -> Result:
        game, run, asked = parts.game, self.run, self.asked
        game.say = log.info
        self.introduce(game)
        if asked.first:
            self.open_trackers()
        exit_code = 1
        try:
            self.prepare_and_fit(parts)
            asked.interrupts.check()
            if asked.first:
                conclude(run, game, log.info)
            exit_code = 0
        finally:
            run.reporter.close(exit_code)
        return Result(asked.folder.path, run.scores.last_value)

    def introduce(self, game: Any) -> None:
        log.info(f"Run folder: {self.asked.folder.path}")
        log.info(self.machine.words())
        if self.threads.because:
            log.info(self.threads.because)
        introduce(game, log.info, ranks=processes(self.asked.config))
        for sentence in self.begun:
            log.info(sentence)

    def open_trackers(self) -> None:
        """Open the chosen trackers, before the data: a missing login must not cost an hour of statistics."""
        if self.state is not None:  # trackers continue from what is left
            drop_what_came_later(self.asked.folder, self.state)
        with phase("Opening the trackers"):
            trackers = build_trackers(
                self.asked.config,
                folder=self.asked.folder,
                command=self.asked.command,
                identity=self.run.identity,
                resolved=self.machine.plain(),
            )
        self.run.reporter.add(trackers)

    def prepare_and_fit(self, parts: Parts) -> None:
        game, run, state, config = parts.game, self.run, self.state, self.asked.config
        resumed = state is not None
        images = load_images(parts.source, config, run.identity, resumed=resumed)
        if state is None:
            take_masks(game, parts.source)
        if parts.metrics is not None:
            run.evaluation_seconds = prepare_metrics(
                game, parts.source, parts.metrics, device=self.machine.device
            )
            run.measure_with(parts.metrics)
        run.identity["facts"] = plain_facts(parts.source)
        if state is None:
            take_references(game, images)
            game.prepare(images)
            game.keep_rows(images if parts.metrics is None else parts.metrics.rows)
        else:
            restore(game, state, wish=config["resume"])
            run.scores.restore(state.get("evaluation") or {})
        data = stream(images, parts.source, config, game.timeline)
        if parts.metrics is not None:
            announce_evaluations(run, game.clock, log.info, per_round=data.batch_size)
        play_rounds(self.asked, run, game, data, self.callbacks)
