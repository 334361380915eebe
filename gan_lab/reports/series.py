"""The numbers of runs over thousands of images: single curves, and means of several with the band between them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gan_lab.engine.clock import KIMG
from gan_lab.reports.panels import METRIC
from gan_lab.reports.protocols import NOT_DISTANCES, describe, distances, identity, lower_is_better
from gan_lab.storage.run_folder import RunFolder

MANY_POINTS = 60  # from here on a curve is drawn faint, with its moving average on top


@dataclass
class Curve:
    """One key of one run, or its mean over several; NaN where a value was not finite.

    Attributes:
        kimg: thousands of images seen.
        values: of one run, or means.
        low, high: the smallest and the largest of the runs at each point; empty for a single run.
        lower_is_better: of a metric.
    """

    kimg: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    lower_is_better: bool = True


Curves = dict[str, Curve]


class Protocols:
    """Numbers the protocols of metrics: values that must not be compared are told apart."""

    def __init__(self, folders: Sequence[RunFolder]) -> None:
        self.lines: dict[str, str] = {}
        for folder in folders:
            for record in folder.records():
                if isinstance(record.get("protocol"), dict):
                    names = ", ".join(key.removeprefix(METRIC) for key in distances(record))
                    line = f"{names}: {describe(record['protocol'])}"
                    self.lines.setdefault(identity(record["protocol"]), line)

    def name(self, key: str, record: Mapping[str, Any]) -> str:
        """The key, with the number of its protocol where there are several."""
        if len(self.lines) < 2 or key not in distances(record) or "protocol" not in record:
            return key
        return f"{key} [{[*self.lines].index(identity(record['protocol'])) + 1}]"

    def text(self) -> str:
        """A line for each protocol."""
        lines = list(self.lines.values())
        if len(lines) < 2:
            return "".join(lines)
        return "\n".join(f"[{number}] {line}" for number, line in enumerate(lines, 1))


def curves_of(folder: RunFolder, protocols: Protocols | None = None) -> Curves:
    """All numbers of a run's records, by key."""
    curves: Curves = {}
    for record in folder.records():
        for key, value in record.items():
            if "/" not in key or not (value is None or isinstance(value, int | float)):
                continue
            if key in NOT_DISTANCES:
                continue
            name = protocols.name(key, record) if protocols else key
            better = lower_is_better(record.get("protocol") or {})
            curve = curves.setdefault(name, Curve(lower_is_better=better))
            curve.kimg.append(record.get("images_seen", 0) / KIMG)
            curve.values.append(math.nan if value is None else float(value))
    return curves


def mean_of(runs: Sequence[Curves]) -> Curves:
    """Means of the runs' curves with their bands, where all runs that have a key were recorded: nothing is made up."""
    if len(runs) == 1:
        return runs[0]
    means: Curves = {}
    for key in dict.fromkeys(key for curves in runs for key in curves):
        several = [curves[key] for curves in runs if key in curves]
        points = [dict(zip(curve.kimg, curve.values, strict=True)) for curve in several]
        shared = sorted(set(points[0]).intersection(*points[1:]))
        values = [[one[kimg] for one in points] for kimg in shared]
        finite = [all(map(math.isfinite, at)) for at in values]
        mean, low, high = (
            [f(at) if ok else math.nan for at, ok in zip(values, finite, strict=True)]
            for f in (lambda at: math.fsum(at) / len(at), min, max)
        )
        means[key] = Curve(shared, mean, *((low, high) if len(several) > 1 else ()))
        means[key].lower_is_better = several[0].lower_is_better
    return means


def moving_average(values: Sequence[float]) -> list[float] | None:
    """A centred moving average over a thirtieth of the curve; None for curves of few points."""
    if len(values) < MANY_POINTS:
        return None
    half = len(values) // 60
    averages = []
    for at in range(len(values)):
        near = [v for v in values[max(0, at - half) : at + half + 1] if math.isfinite(v)]
        averages.append(sum(near) / len(near) if near else math.nan)
    return averages
