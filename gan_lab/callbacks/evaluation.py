"""Scores the averaged generator on a schedule, without disturbing training."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gan_lab.callbacks.base import AfterRound
from gan_lab.engine.clock import Clock
from gan_lab.generation.sampling import EVALUATION_SEED, Sampler
from gan_lab.loggers.reporter import Reporter
from gan_lab.metrics.score import Metric
from gan_lab.process.interrupts import Interrupts

if TYPE_CHECKING:
    from gan_lab.callbacks.status import Status
    from gan_lab.engine.module import AdversarialModule


class Evaluation(AfterRound):
    """Evaluates at 0, when a multiple of `metric.every_kimg` is crossed, and at the end.

    Args:
        metric: a prepared metric.
        reporter: where values and their protocol go.
        status: whose stopwatch is paused meanwhile, and whose board shows the value.
        interrupts: a signal cancels an evaluation between two batches.
        say: writes a line for the user.
    """

    def __init__(
        self,
        metric: Metric,
        reporter: Reporter,
        *,
        status: Status,
        interrupts: Interrupts,
        say: Callable[[str], None],
    ) -> None:
        self.metric = metric
        self.reporter = reporter
        self.status = status
        self.interrupts = interrupts
        self.say = say
        self.last_images = -1
        self.last_value: float | None = None
        self.best_value: float | None = None
        self.improved = False
        self.cancelled = False
        self.seconds = 0.0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Evaluate the untrained generator, or make up for an evaluation that a signal cancelled."""
        del trainer
        self._started = time.perf_counter()
        if pl_module.clock.iteration == 0 or self.cancelled:
            self.after_round(pl_module)

    def due(self, clock: Clock) -> bool:
        """Whether the last round crossed a multiple of every_kimg."""
        return clock.crossed(self.metric.every_kimg)

    def after_round(self, module: AdversarialModule) -> None:
        """Score, record the value with its protocol, note whether it is the best."""
        clock = module.clock
        score = self.metric.score(
            Sampler(
                module,
                module.averaged_networks(),
                seed=EVALUATION_SEED,
                batch_norm=self.metric.batch_norm,
            ),
            lambda: self.interrupts.pending is not None,
        )
        self.cancelled = score is None
        if score is None:
            return
        self.status.paused += score.seconds
        self.seconds += score.seconds
        share = self.seconds / max(time.perf_counter() - self._started, 1e-9)
        protocol: dict[str, Any] = {
            **score.protocol,
            "ema": True,
            "batch_norm": self.metric.batch_norm,
        }
        values = {**score.values, "metric/seconds": score.seconds, "metric/time_share": share}
        self.reporter.record(clock, values, protocol=protocol)
        value = score.values[self.metric.key]
        self.last_images, self.last_value = clock.images_seen, value
        self.improved = math.isfinite(value) and (
            self.best_value is None or value < self.best_value
        )
        if self.improved:
            self.best_value = value
        name = self.metric.key.removeprefix("metric/")
        self.status.board["metric"] = f"{name} {value:.4g}"
        self.say(f"kimg {clock.kimg:8.1f}  {name} {value:.4g}  ({score.seconds:.1f} s)")

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Evaluate at the end, unless the last round just was or a signal waits."""
        del trainer
        if self.interrupts.pending is None and self.last_images != pl_module.clock.images_seen:
            self.after_round(pl_module)

    def state(self) -> dict[str, Any]:
        """What a resumed run must know, with the protocol under which the values hold."""
        return {
            "key": self.metric.key,
            "protocol": json.dumps(self.metric.protocol, sort_keys=True),
            "last_images": self.last_images,
            "last_value": self.last_value,
            "best_value": self.best_value,
            "cancelled": self.cancelled,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over `state`, but no value of another metric or protocol: they cannot be compared."""
        mine = self.state()
        if (state.get("key"), state.get("protocol")) != (mine["key"], mine["protocol"]):
            return
        self.last_images = state["last_images"]
        self.last_value = state["last_value"]
        self.best_value = state["best_value"]
        self.cancelled = state["cancelled"]
