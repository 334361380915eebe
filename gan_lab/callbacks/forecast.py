"""How long a run will take: its training by the pace measured, its evaluations by what one took."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Any

from gan_lab.callbacks.base import AfterRound
from gan_lab.callbacks.run_state import RunState
from gan_lab.callbacks.stop import Stop
from gan_lab.common.durations import in_words, slow_training
from gan_lab.engine.clock import KIMG, Clock

if TYPE_CHECKING:
    from gan_lab.engine.module import AdversarialModule

log = logging.getLogger(__name__)

FIRST_LOOK = 2  # rounds after the one that warms up
MEASURED_SECONDS = 2.0


class Forecast(AfterRound):
    """Says once, after the first measured rounds, how long the whole run will take.

    It looks after 2, 4, 8 ... rounds until two seconds were measured. The first round is left out: it warms up.

    Args:
        run: with its stop, and what an evaluation takes.
    """

    def __init__(self, *, run: RunState) -> None:
        self.run = run
        self._first = self._look = -1

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Measure from the end of the next round on."""
        del trainer
        self._first = self._look = pl_module.clock.iteration + 1

    def due(self, clock: Clock) -> bool:
        """In few rounds."""
        return clock.iteration == self._look

    def after_round(self, module: AdversarialModule) -> None:
        """Start the stopwatch, or say what it shows."""
        clock = module.clock
        if clock.iteration == self._first:
            self._since, self._images = time.perf_counter(), clock.images_seen
            self._evaluated = self.run.evaluated
            self._look += FIRST_LOOK
            return
        taken = time.perf_counter() - self._since - (self.run.evaluated - self._evaluated)
        if taken < MEASURED_SECONDS:
            self._look += clock.iteration - self._first
            return
        self._look = -1
        speed = (clock.images_seen - self._images) / taken
        for sentence in whole_run(self.run, clock, speed, device=module.device.type):
            log.info(sentence)


def whole_run(run: RunState, clock: Clock, images_per_s: float, *, device: str) -> list[str]:
    """Sentences on how long the rest of the run takes, and what would make it shorter where that is unreasonable."""
    end = run.stop.last_image(clock.images_seen / max(clock.iteration, 1))
    if end is None:
        return []
    training = max(end - clock.images_seen, 0) / images_per_s
    evaluations = evaluations_left(run, clock)
    scoring = scoring_left(run, clock)
    parts = [f"{in_words(training)} of training at {images_per_s:,.0f} images/s"]
    if evaluations:
        plural = "s" if evaluations > 1 else ""
        parts.append(f"{in_words(scoring)} for {evaluations:,} evaluation{plural}")
    told = f"about {in_words(training + scoring)}: {' and '.join(parts)}."
    if (time_left := run.stop.seconds_of_time_left()) < training + scoring:
        return [f"max_time ends the run in {in_words(time_left)}; all of it would take {told}"]
    warning = slow_training(training, device=device)
    return [f"The whole run will take {told}", *([f"Warning: {warning}"] if warning else [])]


def seconds_left(run: RunState, clock: Clock, images_per_s: float) -> float | None:
    """Estimated seconds to the end, evaluations included; None without a limit."""
    training = run.stop.seconds_left(clock, images_per_s)
    if training is None:
        return None
    whole = training + scoring_left(run, clock)
    return min(whole, run.stop.seconds_of_time_left())


def evaluations_left(run: RunState, clock: Clock) -> int:
    """How many evaluations come, the one at the end included; 0 where nobody knows the end."""
    per_round = clock.images_seen / clock.iteration if clock.iteration else None
    return max(evaluations_by_metric(run, clock, per_round=per_round).values(), default=0)


def scoring_left(run: RunState, clock: Clock) -> float:
    """Estimated seconds of these evaluations: each metric has its own schedule and cost."""
    per_round = clock.images_seen / clock.iteration if clock.iteration else None
    counts = evaluations_by_metric(run, clock, per_round=per_round)
    return sum(count * run.evaluation_seconds.get(key, 0.0) for key, count in counts.items())


def evaluations_by_metric(
    run: RunState, clock: Clock, *, per_round: float | None
) -> dict[str, int]:
    """Evaluations that come, by the key of each metric."""
    return {
        one.key: count_evaluations(
            run.stop, one.every_kimg, images_seen=clock.images_seen, per_round=per_round
        )
        for one in (run.metrics.metrics if run.metrics is not None else ())
    }


def count_evaluations(
    stop: Stop, every_kimg: float, *, images_seen: int, per_round: float | None
) -> int:
    """Evaluations after so many images, up to the end.

    Args:
        stop: where the run ends.
        every_kimg: between two of them; 0 for the end only.
        images_seen: so far.
        per_round: images of a round; None where that is not known.
    """
    end = stop.last_image(per_round)
    if end is None or end <= images_seen:
        return 0
    if every_kimg <= 0:
        return 1
    return math.ceil(end / (every_kimg * KIMG)) - int(images_seen // (every_kimg * KIMG))
