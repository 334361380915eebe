"""The rounds of a run: Lightning's loop, with what is called between rounds."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from gan_lab.callbacks.forecast import Forecast
from gan_lab.callbacks.hooks import unheard
from gan_lab.callbacks.limits import Limits
from gan_lab.callbacks.run_state import RunState
from gan_lab.data.stream.module import ImageData
from gan_lab.loggers.lightning import ReporterLogger
from gan_lab.process.interrupts import Interrupts
from gan_lab.run.asked import Asked
from gan_lab.run.callbacks import foreign, ours
from gan_lab.run.together import together
from gan_lab.run.trainer import CountRounds, fit, make_trainer
from gan_lab.run.words import nothing_to_train

log = logging.getLogger(__name__)


def play_rounds(
    asked: Asked, run: RunState, game: Any, data: ImageData, callbacks: Collection[Any]
) -> None:
    """Train until the stop or a signal, with what is due at both ends."""
    limits = Limits(run=run)
    watching = [*ours(callbacks), Forecast(run=run)] if asked.first else []
    if asked.first and run.stop.counted_out(game.clock):
        log.info(nothing_to_train(run, watching, game.clock))
    others = foreign(callbacks)
    game.round_callbacks = [*watching, limits]
    every: list[Any] = [*watching, limits]
    logger = None
    for note in unheard(others):
        log.info(f"Warning: {note}")
    if others:
        every = [CountRounds(), *every, *others]
        logger = ReporterLogger(run.reporter if asked.first else None, lambda: game.clock)
    with (
        deferred(asked.interrupts),
        together(
            asked.place,
            asked.config["strategy"]["devices"],
            task=asked.task(),
            following=asked.following,
            interrupts=asked.interrupts,
        ) as meeting,
    ):
        trainer = make_trainer(
            asked.config, every, folder=asked.folder.path, logger=logger, meeting=meeting
        )
        fit(trainer, game, data)


@contextmanager
def deferred(interrupts: Interrupts) -> Iterator[None]:
    """Meanwhile a signal waits for the end of its round."""
    interrupts.deferred = True
    try:
        yield
    finally:
        interrupts.deferred = False
