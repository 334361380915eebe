"""What `gan_lab.train.train` returns: where the run lies, how good it became, and everything that it recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_lab.reports.standings import tables_of
from gan_lab.storage.run_folder import RunFolder


@dataclass(frozen=True)
class Metric:
    """A run's evaluations by one metric.

    Attributes:
        name: such as small_frechet.
        last: the value at the end.
        best: the best value after training began.
        best_kimg: thousands of images seen when it was found.
    """

    name: str
    last: float
    best: float
    best_kimg: float


@dataclass(frozen=True)
class TrainedRun:
    """A run that has ended.

    Attributes:
        folder: the run folder, which `gan_lab.load` takes.
        metric: its evaluations; None with metrics=none.
    """

    folder: Path
    metric: Metric | None

    @property
    def history(self) -> list[dict[str, Any]]:
        """The records of metrics.jsonl, oldest first: losses, logits, rates and metrics by name, each at its kimg."""
        return RunFolder(self.folder).records()


def outcome_of(folder: Path) -> TrainedRun:
    """What a run folder tells of its run: the metric that ranks, of several protocols the one measured last."""
    tables = tables_of([RunFolder(folder)])
    if not tables:
        return TrainedRun(folder, None)
    ranking = RunFolder(folder).read_status().get("ranked_by")
    tables = [one for one in tables if one.metric == ranking] or tables
    table = max(reversed(tables), key=lambda one: one.results[0].kimg)
    (result,) = table.results
    name = table.metric.removeprefix("metric/")
    return TrainedRun(folder, Metric(name, result.last, result.best, result.best_kimg))
