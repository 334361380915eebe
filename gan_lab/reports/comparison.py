"""A table for each protocol under which a metric was measured, best run first, and all curves in one picture."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_lab.common.errors import GanLabError
from gan_lab.common.paths import user_path
from gan_lab.common.texts import printable
from gan_lab.engine.clock import KIMG
from gan_lab.reports.distinctions import distinctions, text
from gan_lab.reports.protocols import describe, distances, identity
from gan_lab.storage.links import refuse_ways_out
from gan_lab.storage.run_folder import RunFolder

DEPTH = 4  # folders below a given one in which runs are looked for
WIDEST = 70  # characters of a table's column
TEXTS = ("run", "options", "state")  # columns that are no numbers


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


def find_runs(paths: Sequence[str | Path]) -> list[RunFolder]:
    """The runs in or below these folders, each once.

    Raises:
        CheckpointError: at a path without any, or a run with a link that leads out of its folder.
    """
    found: dict[Path, RunFolder] = {}
    for path in [user_path(one, "run") for one in paths]:
        inside = [RunFolder(folder) for folder in _folders(path) if _is_run(folder)]
        for run in inside or [RunFolder.existing(path)]:  # a file of a run, or a sentence
            refuse_ways_out(run.path)
            found.setdefault(run.path.resolve(), run)
    return list(found.values())


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
            best, where = min(finite, default=(math.nan, math.nan))
            last, kimg = pairs[-1]
            tables[key].results.append(Standing(index, last, best, where, kimg))
    for table in tables.values():
        # A run that was measured before its first round alone must not win.
        table.results.sort(key=lambda one: (not one.kimg, math.isnan(one.last), one.last))
    return list(tables.values())


def report(runs: Sequence[RunFolder]) -> str:
    """The comparison as plain text."""
    options = [text(one) for one in distinctions(runs)]
    names = _names(runs)
    states = [_status(run) for run in runs]
    tables = tables_of(runs)
    parts = []
    for table in tables:
        name = table.metric.removeprefix("metric/")
        rows = [["run", "options", "kimg", name, "best", "at kimg", "state"]]
        for one in table.results:
            numbers = [f"{one.kimg:g}", _number(one.last), _number(one.best), f"{one.best_kimg:g}"]
            rows.append([names[one.run], options[one.run], *numbers, states[one.run]["state"]])
        parts.append(f"{name}, lower is better: {describe(table.protocol)}\n{_align(rows)}")
    if len(tables) > 1:
        parts.append(_why_several(tables))
    measured = {result.run for table in tables for result in table.results}
    rest = [i for i in range(len(runs)) if i not in measured]
    if rest:
        rows = [["run", "options", "state"]]
        rows += [[names[i], options[i], states[i]["state"]] for i in rest]
        parts.append(f"No metric was recorded:\n{_align(rows)}")
    failed = [i for i in range(len(runs)) if states[i].get("reason")]
    if failed:
        lines = [f"{names[i]}  {options[i]}".strip() + f": {states[i]['reason']}" for i in failed]
        parts.append("Runs that did not finish:\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def compare(paths: Sequence[str | Path], out: str | Path | None = None) -> Path:
    """Print the comparison of runs and draw their curves; return the picture's path."""
    runs = find_runs(paths)
    sys.stdout.write(printable(report(runs)))
    picture = user_path(out, "out") if out else _common_folder(runs) / "compare.png"
    from gan_lab.reports.curves import draw_curves

    try:
        draw_curves(runs, picture)
    except OSError as error:
        raise GanLabError(
            f"out={picture}: the picture cannot be written ({error.strerror or error})."
        ) from error
    return picture


def _folders(path: Path, depth: int = DEPTH) -> list[Path]:
    """This folder and those below, none inside a run, with job 2 before job 10."""
    if not path.is_dir():
        return []
    if _is_run(path) or depth == 0:
        return [path]
    below = sorted((p for p in path.iterdir() if p.is_dir()), key=_natural)
    return [path, *(found for folder in below for found in _folders(folder, depth - 1))]


def _is_run(path: Path) -> bool:
    run = RunFolder(path)
    return (
        run.config.is_file() or run.status.is_file()
    )  # a job that failed early has no config.yaml


def _natural(path: Path) -> tuple[int, str]:
    return (int(path.name), "") if path.name.isdigit() else (sys.maxsize, path.name)


def _common_folder(runs: Sequence[RunFolder]) -> Path:
    paths = [run.path.resolve() for run in runs]
    return Path(os.path.commonpath(paths))


def _names(runs: Sequence[RunFolder]) -> list[str]:
    """Folder names, with as much of the path before them as tells all apart."""
    common = _common_folder(runs)
    if len(runs) == 1:
        return [common.name]
    return [str(run.path.resolve().relative_to(common)) for run in runs]


def _status(run: RunFolder) -> dict[str, str]:
    """What status.json says; without one the run is on its way or was killed."""
    status = run.read_status()
    if "state" not in status:
        return {"state": "unfinished"}
    reason = str(status.get("reason", "")).strip().partition("\n")[0]
    return {"state": str(status["state"]), "reason": reason}


def _why_several(tables: Sequence[Table]) -> str:
    """In which fields the protocols differ: values of different tables do not compare."""
    keys = dict.fromkeys(key for table in tables for key in table.protocol)
    found = []
    for key in keys:
        values = dict.fromkeys(_cut(str(table.protocol.get(key, "-")), 40) for table in tables)
        if len(values) > 1:
            found.append(f"{key} ({' | '.join(values)})")
    if not found:
        return "The metrics differ, so values of different tables do not compare."
    return f"Values of different tables do not compare; they differ in: {', '.join(found)}."


def _cut(said: str, length: int) -> str:
    return said if len(said) <= length else f"{said[: length - 3]}..."


def _number(value: float) -> str:
    return "nan" if math.isnan(value) else f"{value:.4g}"


def _align(rows: Sequence[Sequence[str]]) -> str:
    """Columns of text flush left and of numbers flush right; empty ones are left out."""
    columns = [
        [_cut(cell, WIDEST) for cell in column]
        for column in zip(*rows, strict=True)
        if any(column[1:])
    ]
    aligned = []
    for column in columns:
        width = max(map(len, column))
        flush = str.ljust if column[0] in TEXTS else str.rjust
        aligned.append([flush(cell, width) for cell in column])
    return "\n".join("  ".join(row).rstrip() for row in zip(*aligned, strict=True))
