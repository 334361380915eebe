"""How lines of a live block are set: in words with styles, a bar, and parts that fill lines.

A line is a list of (text, style); the styles are names of rich's theme.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Line = Sequence[tuple[str, str]]

# The two must differ without colours too.
FULL, EMPTY = "━", "─"
ASCII = str.maketrans({FULL: "#", EMPTY: "."})
LEAST = 8  # columns of the shortest bar


def plain(text: str, style: str = "") -> Line:
    """A line of one text."""
    return [(text, style)]


def bar(title: str, share: float, columns: int) -> Line:
    """A title, a bar and a percentage that fill the columns.

    Args:
        title: before the bar.
        share: how much is done, in [0, 1].
        columns: of the whole line; where they are too few, the bar is left out.
    """
    share = min(max(share, 0.0), 1.0)
    percent = f"{int(share * 100):3} %"
    room = columns - len(title) - len(percent) - 2
    if room < LEAST:
        return [(title, "bold"), (f" {percent}", "")]
    done = int(share * room)
    return [
        (f"{title} ", "bold"),
        (FULL * done, "bar.complete"),
        (EMPTY * (room - done), "dim"),
        (f" {percent}", ""),
    ]


def packed(parts: Iterable[str], columns: int, separator: str = ", ") -> list[str]:
    """Join parts to as few lines as they fit in; a part is never broken."""
    lines: list[str] = []
    for part in filter(None, parts):
        if lines and len(lines[-1]) + len(separator) + len(part) <= columns:
            lines[-1] += separator + part
        else:
            lines.append(part)
    return lines


def number(value: float) -> str:
    """A rate in three digits or more, such as 0.123, 12.3 and 1,234."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
