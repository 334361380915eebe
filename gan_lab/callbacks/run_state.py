"""What a run knows of itself while it trains: each callback writes its own part here and reads the others'."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gan_lab.callbacks.scores import Scores
from gan_lab.callbacks.stop import Stop
from gan_lab.loggers.reporter import Reporter
from gan_lab.metrics.score import Metric
from gan_lab.process.interrupts import Interrupts
from gan_lab.storage.run_folder import RunFolder


@dataclass
class RunState:
    """The one object that callbacks share; none of them knows another.

    Attributes:
        folder: the run folder.
        reporter: where records and pictures go.
        stop: where the run ends.
        interrupts: signals noted; an evaluation ends early for one.
        identity: plain values that a resumed run needs, such as the W&B id.
        metric: prepared before training; None without metrics.
        scores: what evaluations found.
        paused: seconds since the last record that went into something else than training.
        evaluated: seconds that all evaluations so far have taken.
        evaluation_seconds: what one evaluation takes, estimated or, once there was one, measured.
        shown: short texts beside the losses, such as the last metric, by who wrote them.
    """

    folder: RunFolder
    reporter: Reporter
    stop: Stop = field(default_factory=Stop)
    interrupts: Interrupts = field(default_factory=Interrupts)
    identity: dict[str, Any] = field(default_factory=dict)
    metric: Metric | None = None
    scores: Scores = field(default_factory=Scores)
    paused: float = 0.0
    evaluated: float = 0.0
    evaluation_seconds: float = 0.0
    shown: dict[str, str] = field(default_factory=dict)

    def measure_with(self, metric: Metric) -> None:
        """Take a metric that is prepared: its protocol is known by now."""
        self.metric = metric
        self.scores = Scores(metric.key, metric.protocol)
