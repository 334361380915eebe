"""Figures of runs: their records as curves, and their sample grids beside them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

from gan_lab.config.stored import stored_command
from gan_lab.reports.axes import GREY, SMALL, draw_panel, palette
from gan_lab.reports.distinctions import asked_in_short
from gan_lab.reports.groups import Group, groups_of
from gan_lab.reports.panels import Panel, panels_of
from gan_lab.reports.pictures import COLUMNS, draw_grids, grids_of, that_fit
from gan_lab.reports.series import Curves, Protocols, curves_of, mean_of
from gan_lab.storage.files import whole_file
from gan_lab.storage.run_folder import RunFolder

MOST_IN_LEGEND = 12
MOST_IN_TITLE = 120  # characters
DPI = 110
WIDTH, HEIGHT = 13 / 3, 3.8  # inches of a panel
GRID = 3.25  # inches of a grid with its title
# Text stays text, and the same records make the same file.
SETTINGS: Any = {"pdf.fonttype": 42, "svg.hashsalt": "gan_lab"}
UNDATED = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}, ".png": {}}


def draw_curves(
    folders: Sequence[RunFolder],
    path: Path,
    *,
    panels: Sequence[str] = (),
    over: Collection[str] = (),
    grids: str | None = None,
) -> None:
    """Draw the records of runs into a figure; several runs lie over each other.

    Args:
        folders: one run, or several to compare: then colours tell runs apart and dashes keys.
        path: the file, PNG, PDF or SVG by its suffix; its folder is made.
        panels: names that `panels_of` knows; all by default.
        over: options whose runs are averaged, such as seed; a band shows the smallest and the largest.
        grids: last or best, to show the runs' sample grids below their curves.

    Raises:
        ConfigError: at a panel that does not exist, or an option in which no two runs differ.
        OSError: where the disk refuses.
    """
    from matplotlib import rc_context

    protocols, groups = Protocols(folders), groups_of(folders, over)
    runs = [curves_of(folder, protocols) for folder in folders]
    found = {key: curve.lower_is_better for curves in runs for key, curve in curves.items()}
    wanted = panels_of(panels, found, [key for key, lower in found.items() if not lower])
    means = [mean_of([runs[i] for i in group.runs]) for group in groups]
    shown, about_grids = that_fit(grids_of(folders, groups, grids)) if grids else ([], "")
    notes = "\n".join(filter(None, (protocols.text(), _about_bands(over), about_grids)))
    with rc_context(SETTINGS):
        figure = _new_figure()
        upper = _laid_out(figure, wanted, shown, palette(len(groups)), several=len(folders) > 1)
        _draw_panels(upper, wanted, means)
        if len(folders) == 1:
            figure.suptitle(_title(folders[0]), fontsize=11)
        else:
            _legend_of_groups(figure, groups, over)
        figure.supxlabel(plain(notes), fontsize=SMALL, color=GREY)
        _save(figure, path)


def _new_figure() -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = path.suffix.lower()
    with whole_file(path) as file:  # takes the place of a link instead of writing where it leads
        figure.savefig(file, dpi=DPI, format=suffix[1:], metadata=UNDATED[suffix])


def _laid_out(
    figure: Any,
    panels: Sequence[Panel],
    shown: Sequence[Any],
    colors: Sequence[Any],
    *,
    several: bool,
) -> Any:
    """Give the figure its size and draw the grids; return the part for the curves."""
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    width, height = WIDTH * max(columns, 1.5), HEIGHT * rows + 0.25 * several
    if not shown:
        figure.set_size_inches(width, height)
        return figure
    across = min(COLUMNS, len(shown))
    down = -(-len(shown) // across)
    width = max(width, GRID * across)
    figure.set_size_inches(width, height + GRID * down)
    upper, lower = figure.subfigures(2, 1, height_ratios=[height, GRID * down])
    draw_grids(lower, shown, colors, columns=across)
    return upper


def _draw_panels(figure: Any, panels: Sequence[Panel], runs: Sequence[Curves]) -> None:
    columns = min(3, len(panels))
    axes = [*figure.subplots(-(-len(panels) // columns), columns, squeeze=False).flat]
    for axis, panel in zip(axes, panels, strict=False):
        draw_panel(axis, panel, runs)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()


def _title(folder: RunFolder) -> str:
    path = folder.path.resolve()
    name = f"{path.parent.name} job {path.name}" if path.name.isdigit() else path.name
    asked = asked_in_short(stored_command(folder)["overrides"] or ())
    return plain(f"{name}   {shorten(asked, MOST_IN_TITLE, placeholder=' ...')}")


def plain(text: str) -> str:
    """The text as matplotlib shows it: between two dollar signs it would read a formula."""
    return text.replace("$", r"\$")


def _about_bands(over: Collection[str]) -> str:
    if not over:
        return ""
    return f"lines: means over {', '.join(over)}; bands: from the smallest to the largest of n runs"


def _legend_of_groups(figure: Any, groups: Sequence[Group], over: Collection[str]) -> None:
    from matplotlib.lines import Line2D

    names = [f"{g.label} (n={len(g.runs)})" if over else g.label for g in groups]
    cut = [name if len(name) <= 70 else f"{name[:67]}..." for name in names[:MOST_IN_LEGEND]]
    shown = [plain(name) for name in cut]
    lines = [Line2D([], [], color=color, lw=2.5) for color in palette(len(names))[: len(shown)]]
    if len(names) > MOST_IN_LEGEND:
        shown.append(f"and {len(names) - MOST_IN_LEGEND} more")
        lines.append(Line2D([], [], linestyle="none"))
    inches = figure.get_size_inches()[0]
    columns = max(1, min(len(shown), int(inches * 11.5 / (max(map(len, shown)) + 8))))
    place = "outside upper center"
    figure.legend(lines, shown, loc=place, ncols=columns, fontsize=9, frameon=False)
