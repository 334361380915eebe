"""Tables of a comparison as plain values, whatever they are written as: one for each metric and protocol."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from gan_lab.reports.distinctions import distinctions, short, text
from gan_lab.reports.finding import places, standing_of
from gan_lab.reports.groups import Group, groups_of
from gan_lab.reports.protocols import describe, direction, lower_is_better
from gan_lab.reports.standings import Standing, Table, tables_of, title_of
from gan_lab.storage.run_folder import RunFolder


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (of a sample, n - 1) of n values; one value has no deviation."""

    mean: float
    deviation: float | None = None

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Those of at least one value; a value that is no number leaves none of them one."""
        mean = math.fsum(values) / len(values)
        if len(values) == 1:
            return cls(mean)
        squares = math.fsum((value - mean) ** 2 for value in values)
        return cls(mean, math.sqrt(squares / (len(values) - 1)))


@dataclass(frozen=True)
class Row:
    """One result: of a run, or of the runs that differ in the averaged options alone.

    Attributes:
        label: its differing options in short, or its name.
        options: those by their full names.
        places: folders of its runs, as seen from the folder that holds all.
        last, best: values at the end, and the best of each run.
        kimg, best_kimg: from the least to the most of the runs.
        state: how they ended.
    """

    label: str
    options: dict[str, str]
    places: tuple[str, ...]
    last: Spread
    best: Spread
    kimg: tuple[float, float]
    best_kimg: tuple[float, float]
    state: str


@dataclass(frozen=True)
class Sheet:
    """A ranking by one metric under one protocol, best first."""

    metric: str
    protocol: dict[str, Any]
    rows: list[Row]

    @property
    def title(self) -> str:
        """The metric as people write it."""
        return title_of(self.metric)


@dataclass(frozen=True)
class Comparison:
    """Everything that a comparison's tables tell.

    Attributes:
        sheets: the rankings.
        over: the options that are averaged over.
        unmeasured: differing options in short, place and state of runs without any metric.
        failed: the same with the reason of those that did not finish.
        repeated: places of runs that are left out, each with that of the run of the same options that counts.
        why_several: why there are several rankings; empty for one.
    """

    sheets: list[Sheet]
    over: tuple[str, ...] = ()
    unmeasured: list[tuple[str, str, str]] = field(default_factory=list)
    failed: list[tuple[str, str, str]] = field(default_factory=list)
    why_several: str = ""
    repeated: list[tuple[str, str]] = field(default_factory=list)


def compared(runs: Sequence[RunFolder], over: Collection[str] = ()) -> Comparison:
    """Rank runs, or groups of them that differ in the options `over` alone.

    Raises:
        ConfigError: at an option in which no two runs differ.
    """
    groups, names = groups_of(runs, over), places(runs)
    states = [standing_of(run) for run in runs]
    tables = tables_of(runs)
    sheets, measured = [], set()
    for table in tables:
        found = {one.run: one for one in table.results}
        rows = [
            _row(group, [found[i] for i in group.runs if i in found], names, states)
            for group in groups
            if any(i in found for i in group.runs)
        ]
        sign = 1 if lower_is_better(table.protocol) else -1
        rows.sort(
            key=lambda row: (not row.kimg[0], math.isnan(row.last.mean), sign * row.last.mean)
        )
        sheets.append(Sheet(table.metric, table.protocol, rows))
        measured |= set(found)
    told = [text(options) for options in short(distinctions(runs))]
    return Comparison(
        sheets,
        tuple(over),
        [(told[i], names[i], s["state"]) for i, s in enumerate(states) if i not in measured],
        [(told[i], names[i], s["reason"]) for i, s in enumerate(states) if s.get("reason")],
        _why_several(tables),
        [(names[i], names[one]) for group in groups for i, one in group.repeats.items()],
    )


def _row(
    group: Group, found: list[Standing], names: Sequence[str], states: Sequence[dict[str, str]]
) -> Row:
    bests = [one.best_kimg for one in found]
    return Row(
        label=group.label,
        options=group.options,
        places=tuple(names[one.run] for one in found),
        last=Spread.of([one.last for one in found]),
        best=Spread.of([one.best for one in found]),
        kimg=(min(one.kimg for one in found), max(one.kimg for one in found)),
        best_kimg=(min(bests), max(bests)) if all(map(math.isfinite, bests)) else (math.nan,) * 2,
        state=_state([states[i]["state"] for i in group.runs]),
    )


def _state(states: Sequence[str]) -> str:
    """How the runs of a group ended, each state with its number where they differ."""
    if len(set(states)) == 1:
        return states[0]
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))


def _why_several(tables: Sequence[Table]) -> str:
    """In which fields the protocols differ: values of different tables do not compare."""
    if len(tables) < 2:
        return ""
    keys = dict.fromkeys(key for table in tables for key in table.protocol)
    found = []
    for key in keys:
        values = dict.fromkeys(cut(str(table.protocol.get(key, "-")), 40) for table in tables)
        if len(values) > 1:
            found.append(f"{key} ({' | '.join(values)})")
    if not found:
        return "The metrics differ, so values of different tables do not compare."
    return f"Values of different tables do not compare; they differ in: {', '.join(found)}."


def heading(sheet: Sheet, over: Sequence[str]) -> str:
    """What a table shows, in one line."""
    said = f"{sheet.title}, {direction(sheet.protocol)}: {describe(sheet.protocol)}"
    if over:
        said += f"; mean and standard deviation (n - 1) over {', '.join(over)}"
    return said


def cut(said: str, length: int) -> str:
    """A text of at most so many letters."""
    return said if len(said) <= length else f"{said[: length - 3]}..."
