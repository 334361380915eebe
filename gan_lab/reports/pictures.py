"""The sample grids of runs beside their curves, so that no ranking by a number is without its picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_lab.media.grid_facts import corner, read_samples
from gan_lab.reports.axes import SMALL
from gan_lab.reports.groups import Group
from gan_lab.reports.standings import Standing, Table, tables_of, title_of
from gan_lab.storage.run_folder import RunFolder

WHICH = ("last", "best")
MOST, COLUMNS = 12, 4  # grids in a figure, and in a row of it
SHOWN = 6  # columns and rows of a grid that are shown


@dataclass(frozen=True)
class Shown:
    """A grid with what stands above it, and the group that it belongs to; the reals belong to none."""

    path: Path
    title: str
    group: int | None = None


def grids_of(runs: Sequence[RunFolder], groups: Sequence[Group], which: str) -> list[Shown]:
    """The reals, then a grid of the first run of each group, in the order of the ranking.

    Args:
        runs: of the comparison.
        groups: of them.
        which: last, or best: the grid nearest to the best value.
    """
    found = []
    tables = tables_of(runs)
    for index, group in _ranked(groups, tables):
        table, standing = _standing(group.runs[0], tables)
        grids = sorted(runs[group.runs[0]].samples.glob("kimg-*.png"))
        if not grids:
            continue
        wanted = standing.best_kimg if standing and which == "best" else math.inf
        grid = (
            min(grids, key=lambda path: abs(_kimg(path) - wanted))
            if math.isfinite(wanted)
            else grids[-1]
        )
        title = " ".join(filter(None, (group.label, *group.shared[:1])))
        lines = [title, f"{_kimg(grid):g} kimg"]
        if table is not None and standing is not None:
            value, kimg = (
                (standing.best, standing.best_kimg)
                if which == "best"
                else (standing.last, standing.kimg)
            )
            at = "" if math.isclose(kimg, _kimg(grid), abs_tol=1e-3) else f" at {kimg:g} kimg"
            lines[1] += f", {title_of(table.metric)} {value:.4g}{at}"
        found.append(Shown(grid, "\n".join(lines), index))
    reals = [runs[group.runs[0]].samples / "reals.png" for group in groups]
    first = [Shown(path, "real images") for path in reals if path.is_file()][:1]
    return [*first, *found]


def that_fit(found: Sequence[Shown]) -> tuple[list[Shown], str]:
    """The grids that a figure has room for, the reals always, and a sentence on the others; empty where all fit."""
    results = [one for one in found if one.group is not None]
    shown = [one for one in found if one.group is None] + results[:MOST]
    if len(results) <= MOST:
        return shown, ""
    return shown, f"grids: the first {MOST} of {len(results)}, in the order of the ranking"


def draw_grids(figure: Any, shown: Sequence[Shown], colors: Sequence[Any], *, columns: int) -> None:
    """Draw grids into a figure or a part of one, their titles in the colours of their curves."""
    axes = [*figure.subplots(-(-len(shown) // columns), columns, squeeze=False).flat]
    for axis in axes:
        axis.set_axis_off()
    for axis, one in zip(axes, shown, strict=False):
        color = "black" if one.group is None else colors[one.group]
        axis.set_title(one.title.replace("$", r"\$"), fontsize=SMALL + 1, color=color)
        try:
            picture = corner(*read_samples(one.path), most=SHOWN)
        except OSError:
            axis.text(0.5, 0.5, "cannot be read", transform=axis.transAxes, ha="center")
            continue
        axis.imshow(picture, interpolation="none")


def _ranked(groups: Sequence[Group], tables: Sequence[Table]) -> list[tuple[int, Group]]:
    """Groups with their places, in the order of the first ranking that their first run is in."""
    order: dict[int, int] = {}
    for table in tables:
        for result in table.results:
            order.setdefault(result.run, len(order))
    places = sorted(range(len(groups)), key=lambda i: order.get(groups[i].runs[0], len(order) + i))
    return [(place, groups[place]) for place in places]


def _standing(run: int, tables: Sequence[Table]) -> tuple[Table | None, Standing | None]:
    for table in tables:
        for result in table.results:
            if result.run == run:
                return table, result
    return None, None


def _kimg(grid: Path) -> float:
    try:
        return float(grid.stem.partition("-")[2])
    except ValueError:
        return math.nan
