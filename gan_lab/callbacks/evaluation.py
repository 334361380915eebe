"""Scores the averaged generator on a schedule, without disturbing training."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from gan_lab.callbacks.base import AfterRound
from gan_lab.callbacks.run_state import RunState
from gan_lab.engine.clock import Clock
from gan_lab.generation.sampling import EVALUATION_SEED, Sampler
from gan_lab.process.progress import phase

if TYPE_CHECKING:
    from gan_lab.engine.module import AdversarialModule
    from gan_lab.metrics.score import Score

log = logging.getLogger(__name__)


class Evaluation(AfterRound):
    """Evaluates at 0, when a multiple of `metric.every_kimg` is crossed, and at the end.

    An evaluation that was due and not finished, since a signal or a kill came, is made when the run goes on. Without
    metrics there is nothing to do.

    Args:
        run: with the metric, and where its values go.
    """

    def __init__(self, *, run: RunState) -> None:
        self.run = run
        self.seconds = 0.0
        self._started = time.perf_counter()

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Evaluate the untrained generator, or make up for what was due when the run was stopped."""
        del trainer
        self._started = time.perf_counter()
        if pl_module.clock.iteration == 0 or self.due(pl_module.clock):
            self.catch_up(pl_module)

    def due(self, clock: Clock) -> bool:
        """Whether the last round crossed a multiple of every_kimg."""
        return self.run.metric is not None and clock.crossed(self.run.metric.every_kimg)

    def after_round(self, module: AdversarialModule) -> None:
        """Score, record the value with its protocol, and note it; a signal cancels it between two batches."""
        metric = self.run.metric
        assert metric is not None
        with phase("Evaluation", total=metric.num_samples, often=True) as shown:
            score = metric.score(
                Sampler(
                    module,
                    module.averaged_networks(),
                    seed=EVALUATION_SEED,
                    batch_norm=metric.batch_norm,
                ),
                lambda: self.run.interrupts.pending is not None,
                advance=shown.advance,
            )
        if score is None:
            return
        self.run.paused += score.seconds
        self.run.evaluated += score.seconds
        self.run.evaluation_seconds = score.seconds
        self.record(module.clock, score)
        value = score.values[metric.key]
        self.run.scores.note(value, module.clock.images_seen)
        name = metric.key.removeprefix("metric/")
        self.run.shown["metric"] = f"{name} {value:.4g} at {module.clock.kimg:.0f} kimg"
        log.info(f"kimg {module.clock.kimg:8.1f}  {name} {value:.4g}  ({score.seconds:.1f} s)")

    def record(self, clock: Clock, score: Score) -> None:
        """Record the values with what they cost and the protocol under which they hold."""
        assert self.run.metric is not None
        self.seconds += score.seconds
        share = self.seconds / max(time.perf_counter() - self._started, 1e-9)
        protocol = {**score.protocol, "ema": True, "batch_norm": self.run.metric.batch_norm}
        values = {**score.values, "metric/seconds": score.seconds, "metric/time_share": share}
        self.run.reporter.record(clock, values, protocol=protocol)

    def catch_up(self, module: AdversarialModule) -> None:
        """Evaluate, unless these weights were scored already or a signal waits."""
        if self.owed(module.clock) and self.run.interrupts.pending is None:
            self.after_round(module)

    def owed(self, clock: Clock) -> str:
        """An evaluation, where these weights have none."""
        known = self.run.scores.last_images == clock.images_seen
        return "" if self.run.metric is None or known else "an evaluation"

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Evaluate at the end."""
        del trainer
        self.catch_up(pl_module)
