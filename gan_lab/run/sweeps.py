"""The end of a sweep: the table of its jobs, and the commands that repeat the best one or go on with it."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

from gan_lab.common.commands import command
from gan_lab.common.errors import CheckpointError, GanLabError
from gan_lab.common.texts import printable
from gan_lab.config.stored import stored_command, stored_config
from gan_lab.reports.comparison import compare
from gan_lab.reports.finding import find_runs
from gan_lab.reports.standings import tables_of
from gan_lab.storage.run_folder import RunFolder

LIMITS = ("max_kimg", "max_rounds")


def conclude_sweep(folder: Path) -> list[str]:
    """Print the comparison of a sweep's jobs, draw their curves, and say how to repeat the best of them.

    Args:
        folder: of the sweep.

    Returns:
        Folders of the jobs that have failed, relative to it.
    """
    try:
        runs = find_runs([folder])
    except CheckpointError:  # no job has come so far
        return []
    sys.stdout.write("\n")
    (picture,) = compare([folder], grids="last")
    for line in best_of(runs):
        sys.stdout.write(f"{printable(line)}\n")
    sys.stdout.write(f"  curves    {printable(str(picture))}\n")
    return [run.path.name for run in runs if _failed(run)]


def best_of(runs: Sequence[RunFolder]) -> list[str]:
    """Lines on the run with the best last value that has not failed, one block for each metric and protocol."""
    lines: list[str] = []
    for table in tables_of(runs):
        good = [one for one in table.results if one.kimg and math.isfinite(one.last)]
        good = [one for one in good if not _failed(runs[one.run])]
        if not good:
            continue
        first = good[0]
        run, name = runs[first.run], table.metric.removeprefix("metric/")
        lines += ["", f"Best by {name} at the end, {first.last:.4g}: {run.path}"]
        if again := repeat(run):
            lines.append(f"  again     {again}")
        if further := go_on(run):
            lines.append(f"  go on     {further}")
    return lines


def _failed(run: RunFolder) -> bool:
    return run.read_status().get("state") == "failed"


def repeat(run: RunFolder) -> str:
    """The command that makes this run once more; empty where its files do not tell."""
    try:
        stored = stored_command(run)
    except GanLabError:
        return ""
    words = [*stored["flags"], *stored["overrides"]]
    return command("train", *words)


def go_on(run: RunFolder) -> str:
    """The command that trains this run for as long again; empty where it has no limit that could be raised."""
    try:
        config = stored_config(run)
    except GanLabError:
        return ""
    raised = [f"{limit}={_plain(config[limit] * 2)}" for limit in LIMITS if config.get(limit)]
    if not raised:
        return ""
    return command("train", f"resume={run.path}", *raised)


def _plain(number: float) -> str:
    """A number as Hydra reads it back: whole ones without a point or a power of ten."""
    return str(int(number)) if number == int(number) else str(number)
