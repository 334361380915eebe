"""What a run knows of itself while it trains: each callback writes its own part here and reads the others'."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gan_lab.callbacks.scores import Scores
from gan_lab.callbacks.stop import Stop
from gan_lab.loggers.reporter import Reporter
from gan_lab.metrics.together import Metrics
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
        metrics: prepared before training; None without any.
        scores: what evaluations found.
        paused: seconds since the last record that went into something else than training.
        evaluated: seconds that all evaluations so far have taken.
        evaluation_seconds: what scoring takes by the key of each metric, estimated or, once it was done, measured.
        shown: short texts beside the losses, such as the last metric, by who wrote them.
    """

    folder: RunFolder
    reporter: Reporter
    stop: Stop = field(default_factory=Stop)
    interrupts: Interrupts = field(default_factory=Interrupts)
    identity: dict[str, Any] = field(default_factory=dict)
    metrics: Metrics | None = None
    scores: Scores = field(default_factory=Scores)
    paused: float = 0.0
    evaluated: float = 0.0
    evaluation_seconds: dict[str, float] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)

    def measure_with(self, metrics: Metrics) -> None:
        """Take metrics that are prepared: their protocols are known by now."""
        self.metrics = metrics
        ranking = metrics.ranking
        self.scores = Scores(metrics.key, ranking.protocol, lower_is_better=ranking.lower_is_better)
