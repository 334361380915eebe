"""What the records of runs say of their metrics: one ranking for each metric and protocol, never across two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gan_lab.engine.clock import KIMG
from gan_lab.reports.protocols import distances, identity, lower_is_better
from gan_lab.storage.run_folder import RunFolder


@dataclass(frozen=True)
class Standing:
    """A run's values of one metric under one protocol; the best is one of those after training began."""

    run: int
    last: float
    best: float
    best_kimg: float
    kimg: float


@dataclass
class Table:
    """All runs that were measured by one metric under one protocol."""

    metric: str
    protocol: dict[str, Any]
    results: list[Standing]


def tables_of(runs: Sequence[RunFolder]) -> list[Table]:
    """A table for each metric and protocol, its runs sorted by their last value."""
    tables: dict[tuple[str, str], Table] = {}
    for index, run in enumerate(runs):
        points: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for record in run.records():
            values, protocol = distances(record), record.get("protocol")
            if not values or not isinstance(protocol, dict):
                continue
            metric, value = next(iter(values.items()))
            key = metric, identity(protocol)
            tables.setdefault(key, Table(metric, protocol, []))
            number = math.nan if value is None else float(value)
            points.setdefault(key, []).append((number, record.get("images_seen", 0) / KIMG))
        for key, pairs in points.items():
            finite = [pair for pair in pairs if math.isfinite(pair[0]) and pair[1] > 0]
            first = min if lower_is_better(tables[key].protocol) else max
            best, where = first(finite, default=(math.nan, math.nan))
            last, kimg = pairs[-1]
            tables[key].results.append(Standing(index, last, best, where, kimg))
    for table in tables.values():
        sign = 1 if lower_is_better(table.protocol) else -1
        # A run that was measured before its first round alone must not win.
        table.results.sort(key=lambda one: (not one.kimg, math.isnan(one.last), sign * one.last))
    return list(tables.values())


def title_of(metric: str) -> str:
    """A metric's name as people write it: metric/fid is FID, metric/small_frechet small Frechet."""
    words = metric.removeprefix("metric/").split("_")
    known = {"fid": "FID", "kid": "KID", "frechet": "Frechet"}
    return " ".join(known.get(word, word) for word in words)
