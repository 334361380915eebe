"""Draws docs/images/rooms.png: the rooms of gan_lab and who imports whom, read from the sources.

    python scripts/draw_rooms.py [--out docs/images/rooms.png]

A room stands above all rooms that it imports. Where A imports B and B imports C, the arrow from A to C is left out.
"""

from __future__ import annotations

import argparse
import ast
from functools import cache
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "gan_lab"
PART_OF_A_ROOM = ("networks.layers",)  # folders that only tidy up their room
COMMANDS = "commands"
ROW, BOX = 1.0, (0.86, 0.42)
COLOR, EDGE = "#DCE9F5", "#0072B2"


def rooms() -> list[str]:
    """Every folder with modules, dotted."""
    folders = {file.parent.relative_to(PACKAGE) for file in PACKAGE.rglob("*.py")}
    names = {".".join(folder.parts) for folder in folders}
    kept = names - {""}
    return sorted(name for name in kept if not name.startswith(PART_OF_A_ROOM))


def room_of(module: str, known: list[str]) -> str:
    """The innermost room that holds a module; the top of the package holds the commands."""
    parts = module.split(".")
    candidates = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((name for name in candidates if name in known), COMMANDS)


def arrows(known: list[str]) -> dict[str, set[str]]:
    """Which rooms each room imports."""
    found: dict[str, set[str]] = {room: set() for room in [*known, COMMANDS]}
    for file in PACKAGE.rglob("*.py"):
        here = room_of(".".join(file.relative_to(PACKAGE).with_suffix("").parts), known)
        for node in ast.walk(ast.parse(file.read_text())):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            if module.startswith("gan_lab."):
                found[here].add(room_of(module.removeprefix("gan_lab."), known))
    return {room: targets - {room} for room, targets in found.items()}


def heights(graph: dict[str, set[str]]) -> dict[str, int]:
    """How many rooms lie below each, along the longest way down."""

    @cache
    def height(room: str) -> int:
        return 1 + max((height(below) for below in graph[room]), default=-1)

    return {room: height(room) for room in graph}


def without_detours(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The arrows that no chain of other arrows stands for."""

    @cache
    def below(room: str) -> frozenset[str]:
        return frozenset(graph[room]).union(*(below(target) for target in graph[room]))

    return {
        room: {t for t in targets if not any(t in below(other) for other in targets - {t})}
        for room, targets in graph.items()
    }


def places(graph: dict[str, set[str]]) -> dict[str, tuple[float, float]]:
    """Rows by height; within a row, rooms stand near the middle of what they are tied to."""
    height = heights(graph)
    rows = [sorted(r for r in graph if height[r] == row) for row in range(max(height.values()) + 1)]
    widest = max(map(len, rows))
    at: dict[str, float] = {}
    for row in rows:
        at.update({room: (i + 0.5) * widest / len(row) for i, room in enumerate(row)})
    ties = {room: set(targets) for room, targets in graph.items()}
    for room, targets in graph.items():
        for target in targets:
            ties[target].add(room)
    for _ in range(12):
        for row in rows:
            wish = {r: sum(at[t] for t in ties[r]) / max(len(ties[r]), 1) for r in row}
            for i, room in enumerate(sorted(row, key=wish.__getitem__)):
                at[room] = (i + 0.5) * widest / len(row)
    return {room: (at[room], height[room] * ROW) for room in graph}


def draw(path: Path) -> None:
    """Draw the picture."""
    known = rooms()
    whole = arrows(known)
    graph = without_detours(whole)
    at = places(graph)
    figure = Figure(figsize=(13, 8), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.axis("off")
    width, tall = BOX
    for room, targets in graph.items():
        for target in targets:
            (x, y), (to_x, to_y) = at[room], at[target]
            axis.annotate(
                "", (to_x, to_y + tall / 2), (x, y - tall / 2),
                arrowprops={"arrowstyle": "->", "color": "0.55", "lw": 0.9},
            )  # fmt: skip
    for room, (x, y) in at.items():
        axis.text(
            x, y, room, ha="center", va="center", fontsize=10,
            bbox={"boxstyle": "round,pad=0.4", "facecolor": COLOR, "edgecolor": EDGE},
        )  # fmt: skip
    axis.set_xlim(-0.2, max(x for x, _ in at.values()) + width)
    axis.set_ylim(-0.6, max(y for _, y in at.values()) + 0.6)
    count = sum(map(len, whole.values()))
    axis.set_title(f"{len(known)} rooms, {count} arrows, none upward", fontsize=11)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "rooms.png")
    draw(parser.parse_args().out)
