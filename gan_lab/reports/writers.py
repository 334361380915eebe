"""Tables of a comparison as text, CSV, LaTeX, Markdown and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from gan_lab.reports.distinctions import short, text
from gan_lab.reports.protocols import lower_is_better
from gan_lab.reports.sheets import Comparison, Row, Sheet, Spread, cut, heading

WIDEST = 70  # characters of a text table's column
TEXTS = ("run", "options", "state")  # columns that are no numbers

_TEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}  # fmt: skip


def as_text(found: Comparison) -> str:
    """For a terminal: columns of text flush left and of numbers flush right."""
    parts = []
    for sheet in found.sheets:
        rows = [["run", "options", "n", "kimg", _key(sheet), "best", "at kimg", "state"]]
        for row, told in zip(sheet.rows, short_of(sheet), strict=True):
            run = "" if found.over else row.places[0]
            count = str(len(row.places)) if found.over else ""
            options = text(told) or (row.label if found.over else "")
            rows.append([run, options, count, *_numbers(row, "{} +- {}"), row.state])
        parts.append(f"{_heading_of_text(sheet, found)}\n{_align(rows)}")
    if found.why_several:
        parts.append(found.why_several)
    if found.repeated:
        lines = [f"{place}: has the options of {counted}" for place, counted in found.repeated]
        parts.append("Runs that repeat another, and are left out:\n" + "\n".join(lines))
    if found.unmeasured:
        rows = [["run", "options", "state"]]
        rows += [[place, label, state] for label, place, state in found.unmeasured]
        parts.append(f"No metric was recorded:\n{_align(rows)}")
    if found.failed:
        lines = [
            f"{place}  {label}".rstrip() + f": {reason}" for label, place, reason in found.failed
        ]
        parts.append("Runs that did not finish:\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def as_csv(found: Comparison) -> str:
    """One line for each result; the rank begins anew with each metric and protocol."""
    keys = list(dict.fromkeys(key for s in found.sheets for row in s.rows for key in row.options))
    head = ["metric", "rank", *keys, "label", "runs", "n", "kimg", "last", "last_deviation", "best", "best_deviation",
            "best_kimg", "state", "protocol"]  # fmt: skip
    file = io.StringIO()
    writer = csv.DictWriter(file, head, lineterminator="\n")
    writer.writeheader()
    for sheet in found.sheets:
        protocol = json.dumps(sheet.protocol, sort_keys=True)
        for rank, row in enumerate(sheet.rows, 1):
            values = {
                "label": row.label, "runs": " ".join(row.places), "n": len(row.places), "kimg": row.kimg[0],
                "last": row.last.mean, "last_deviation": row.last.deviation, "best": row.best.mean,
                "best_deviation": row.best.deviation, "best_kimg": row.best_kimg[0], "state": row.state,
            }  # fmt: skip
            line = {"metric": _key(sheet), "rank": rank, **values, "protocol": protocol}
            writer.writerow({**row.options, **line})
    for label, place, state in found.unmeasured:
        writer.writerow({"label": label, "runs": place, "n": 0, "state": state})
    return file.getvalue()


def as_json(found: Comparison) -> str:
    """Everything, a list of rankings; null stands for a value that is no number."""
    tables = [
        {
            "metric": _key(sheet),
            "lower_is_better": lower_is_better(sheet.protocol),
            "protocol": sheet.protocol,
            "over": list(found.over),
            "rows": [{"rank": rank, **_plain_row(row)} for rank, row in enumerate(sheet.rows, 1)],
        }
        for sheet in found.sheets
    ]
    rest = [{"label": a, "run": b, "state": c} for a, b, c in found.unmeasured]
    failed = [{"label": a, "run": b, "reason": c} for a, b, c in found.failed]
    repeats = [{"run": a, "counts": b} for a, b in found.repeated]
    whole = {"tables": tables, "without_metric": rest, "failed": failed, "repeats": repeats}
    return json.dumps(whole, indent=1, allow_nan=False) + "\n"


def as_markdown(found: Comparison) -> str:
    """A table for each ranking below a line that says what it shows."""
    parts = []
    for sheet in found.sheets:
        head, rows = _columns(sheet, found, "{} ± {}")
        lines = [head, ["---"] * len(head), *rows]
        marked = ["| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines]
        parts.append(f"{heading(sheet, found.over)}\n\n" + "\n".join(marked))
    return "\n\n".join([*parts, *_remarks(found)]) + "\n"


def as_latex(found: Comparison) -> str:
    """A table environment for each ranking, of LaTeX's own commands alone: no package is needed."""
    parts = []
    for sheet in found.sheets:
        head, rows = _columns(sheet, found, "{} \\pm {}")
        options = len(head) - 4 - bool(found.over)
        cells = [[*map(tex, row[:options]), *map(_math, row[options:])] for row in rows]
        lines = [f"{' & '.join(line)} \\\\" for line in [list(map(tex, head)), *cells]]
        parts.append(
            "\n".join(
                [
                    r"\begin{table}",
                    r"\centering",
                    f"\\caption{{{tex(heading(sheet, found.over))}.}}",
                    f"\\begin{{tabular}}{{{'l' * options}{'r' * (len(head) - options)}}}",
                    r"\hline", lines[0], r"\hline", *lines[1:], r"\hline",
                    r"\end{tabular}",
                    r"\end{table}",
                ]
            )
        )  # fmt: skip
    return "\n\n".join([*parts, *(f"% {remark}" for remark in _remarks(found))]) + "\n"


WRITERS: dict[str, Callable[[Comparison], str]] = {
    ".csv": as_csv,
    ".tex": as_latex,
    ".md": as_markdown,
    ".json": as_json,
}


def tex(said: str) -> str:
    """A text as LaTeX prints it."""
    return re.sub(r"[\\~^<>|&%$#_{}]", lambda match: _TEX[match[0]], said)


def _math(number: str) -> str:
    """A number, a spread or a range in LaTeX's mathematics."""
    powers = re.sub(r"e([+-])0*(\d+)", lambda m: f" \\cdot 10^{{{m[1].strip('+')}{m[2]}}}", number)
    return f"${powers.replace(' to ', '$--$')}$".replace("$nan$", "nan")


def short_of(sheet: Sheet) -> list[dict[str, str]]:
    """Each row's options in short."""
    return short([row.options for row in sheet.rows])


def _columns(sheet: Sheet, found: Comparison, spread: str) -> tuple[list[str], list[list[str]]]:
    """Heading and cells for people: options, n where runs are averaged, four numbers."""
    told = short_of(sheet)
    names = list(told[0]) if told else []
    head = [*(names or ["run"]), *(["n"] if found.over else [])]
    head += ["kimg", sheet.title, "best", "at kimg"]
    rows = []
    for row, values in zip(sheet.rows, told, strict=True):
        options = list(values.values()) if names else [row.label]
        count = [str(len(row.places))] if found.over else []
        rows.append([*options, *count, *_numbers(row, spread)])
    return head, rows


def _numbers(row: Row, spread: str) -> list[str]:
    return [_range(row.kimg), _spread(row.last, spread), _spread(row.best, spread), _range(row.best_kimg)]  # fmt: skip


def _remarks(found: Comparison) -> list[str]:
    remarks = [found.why_several] if found.why_several else []
    remarks += [f"Left out: {a}, which has the options of {b}." for a, b in found.repeated]
    remarks += [f"No metric was recorded: {a or b} ({c})." for a, b, c in found.unmeasured]
    return [*remarks, *(f"Did not finish: {a or b} ({c.rstrip('.')})." for a, b, c in found.failed)]


def _plain_row(row: Row) -> dict[str, Any]:
    return {
        "label": row.label, "options": row.options, "runs": list(row.places), "n": len(row.places),
        "last": _finite(row.last.mean), "last_deviation": _finite(row.last.deviation),
        "best": _finite(row.best.mean), "best_deviation": _finite(row.best.deviation),
        "kimg": list(map(_finite, row.kimg)), "best_kimg": list(map(_finite, row.best_kimg)), "state": row.state,
    }  # fmt: skip


def _heading_of_text(sheet: Sheet, found: Comparison) -> str:
    return heading(sheet, found.over).replace(sheet.title, _key(sheet), 1)


def _key(sheet: Sheet) -> str:
    return sheet.metric.removeprefix("metric/")


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _number(value: float) -> str:
    return "nan" if math.isnan(value) else f"{value:.4g}"


def _spread(value: Spread, template: str) -> str:
    if value.deviation is None:
        return _number(value.mean)
    return template.format(_number(value.mean), f"{value.deviation:.2g}")


def _range(ends: tuple[float, float]) -> str:
    low, high = (f"{end:g}" for end in ends)
    return low if low == high else f"{low} to {high}"


def _align(rows: Sequence[Sequence[str]]) -> str:
    """Columns of text flush left and of numbers flush right; empty ones are left out."""
    columns = [
        [cut(cell, WIDEST) for cell in column]
        for column in zip(*rows, strict=True)
        if any(column[1:])
    ]
    aligned = []
    for column in columns:
        width = max(map(len, column))
        flush = str.ljust if column[0] in TEXTS else str.rjust
        aligned.append([flush(cell, width) for cell in column])
    return "\n".join("  ".join(row).rstrip() for row in zip(*aligned, strict=True))
