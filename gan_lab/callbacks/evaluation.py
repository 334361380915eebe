"""Scores the averaged generator on a schedule, without disturbing training."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from gan_lab.callbacks.base import AfterRound
from gan_lab.callbacks.run_state import RunState
from gan_lab.engine.clock import Clock
from gan_lab.generation.sampling import EVALUATION_SEED, Sampler
from gan_lab.metrics.score import PREFIX
from gan_lab.process.progress import phase

if TYPE_CHECKING:
    from gan_lab.engine.module import AdversarialModule
    from gan_lab.metrics.score import Score

log = logging.getLogger(__name__)


class Evaluation(AfterRound):
    """Evaluates at 0, when a multiple of a metric's `every_kimg` is crossed, and by all metrics at the end.

    An evaluation that was due and not finished, since a signal or a kill came, is made when the run goes on. Without
    metrics there is nothing to do.

    Args:
        run: with the metrics, and where their values go.
    """

    def __init__(self, *, run: RunState) -> None:
        self.run = run
        self.seconds = 0.0
        self._started = time.perf_counter()

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Evaluate the untrained generator, or make up for what was due when the run was stopped."""
        del trainer
        self._started = time.perf_counter()
        if pl_module.clock.iteration == 0:
            self.catch_up(pl_module)
        elif self.due(pl_module.clock):
            self.catch_up(pl_module, self._due(pl_module.clock))

    def due(self, clock: Clock) -> bool:
        """Whether the last round crossed a multiple of a metric's every_kimg."""
        return bool(self._due(clock))

    def after_round(self, module: AdversarialModule) -> None:
        """Score by the metrics that are due."""
        self.score(module, self._due(module.clock))

    def score(self, module: AdversarialModule, keys: Collection[str]) -> None:
        """Score, record the values with their protocols, and note them; a signal cancels it between two batches."""
        metrics = self.run.metrics
        assert metrics is not None
        with phase("Evaluation", total=metrics.samples_for(keys), often=True) as shown:
            found = metrics.score(
                Sampler(
                    module,
                    module.averaged_networks(),
                    seed=EVALUATION_SEED,
                    batch_norm=metrics.conditions.batch_norm,
                ),
                lambda: self.run.interrupts.pending is not None,
                advance=shown.advance,
                only=keys,
            )
        if found is not None:
            self.note(module.clock, found)

    def note(self, clock: Clock, found: Mapping[str, Score]) -> None:
        """Record what an evaluation found and cost."""
        run, metrics = self.run, self.run.metrics
        assert metrics is not None
        seconds = next(iter(found.values())).seconds  # of the whole evaluation, in each
        run.paused += seconds
        run.evaluated += seconds
        _measured(run.evaluation_seconds, found, seconds)
        self.record(clock, found, seconds)
        for key, score in found.items():
            run.scores.seen[key] = clock.images_seen
            if metrics.key in score.values:
                run.scores.note(score.values[metrics.key], clock.images_seen)
        run.scores.unsaved = True
        told = [(main_key(score, metrics.key), score) for score in found.values()]
        said = ", ".join(f"{key.removeprefix(PREFIX)} {s.values[key]:.4g}" for key, s in told)
        for key, score in told:
            if key == metrics.key:
                value = f"{key.removeprefix(PREFIX)} {score.values[key]:.4g}"
                run.shown["metric"] = f"{value} at {clock.kimg:.0f} kimg"
        log.info(f"kimg {clock.kimg:8.1f}  {said}  ({seconds:.1f} s)")

    def record(self, clock: Clock, found: Mapping[str, Score], seconds: float) -> None:
        """Record each metric's values with the protocol under which they hold, the first ones with what all cost."""
        assert self.run.metrics is not None
        self.seconds += seconds
        share = self.seconds / max(time.perf_counter() - self._started, 1e-9)
        costs = {"metric/seconds": seconds, "metric/time_share": share}
        beside = {"ema": True, "batch_norm": self.run.metrics.conditions.batch_norm}
        ranking = self.run.metrics.key
        for score in found.values():
            first = {key: value for key, value in score.values.items() if key == ranking}
            values = {**first, **score.values, **costs}  # the first one ranks
            self.run.reporter.record(clock, values, protocol={**score.protocol, **beside})
            costs = {}

    def catch_up(self, module: AdversarialModule, keys: Collection[str] | None = None) -> None:
        """Evaluate by these metrics, or all, unless they scored these weights already or a signal waits."""
        owed = [key for key in self._unknown(module.clock) if keys is None or key in keys]
        if owed and self.run.interrupts.pending is None:
            self.score(module, owed)

    def owed(self, clock: Clock) -> str:
        """An evaluation, where these weights lack one by some metric."""
        return "an evaluation" if self._unknown(clock) else ""

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Evaluate at the end."""
        del trainer
        self.catch_up(pl_module)

    def _due(self, clock: Clock) -> list[str]:
        """Keys of the metrics whose multiple was crossed by the last round."""
        metrics = self.run.metrics.metrics if self.run.metrics is not None else ()
        return [one.key for one in metrics if clock.crossed(one.every_kimg)]

    def _unknown(self, clock: Clock) -> list[str]:
        """Keys of the metrics that have not scored these weights."""
        metrics = self.run.metrics.metrics if self.run.metrics is not None else ()
        seen = self.run.scores.seen
        return [one.key for one in metrics if seen.get(one.key) != clock.images_seen]


def main_key(score: Score, ranking: str) -> str:
    """The value that is told of a metric: the one that ranks, if it gives that one, else its first."""
    return ranking if ranking in score.values else next(iter(score.values))


def _measured(known: dict[str, float], keys: Collection[str], seconds: float) -> None:
    """Put what an evaluation took in the place of its estimate, dealt out as that was."""
    estimated = sum(known.get(key, 0.0) for key in keys)
    for key in keys:
        share = known.get(key, 0.0) / estimated if estimated else 1 / len(keys)
        known[key] = seconds * share
