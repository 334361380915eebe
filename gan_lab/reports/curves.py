"""Learning curves: the records of one or more runs as one picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import shorten
from typing import Any

from gan_lab.config.stored import stored_command
from gan_lab.engine.clock import KIMG
from gan_lab.reports.distinctions import run_names
from gan_lab.reports.protocols import NOT_DISTANCES, describe, distances, identity
from gan_lab.storage.files import whole_file
from gan_lab.storage.run_folder import RunFolder

# Okabe and Ito's colours, which colour-blind people tell apart, without the yellow.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1, 1, 1)))
MANY_POINTS = 60  # from here on a curve is drawn faint, with its moving average on top
MOST_IN_LEGEND = 12
MOST_IN_TITLE = 120  # characters
SMALL, GREY = 8, "0.35"
DPI = 110


@dataclass(frozen=True)
class Panel:
    """One pair of axes and the keys that it shows: `prefix` and one more word."""

    title: str
    prefix: str
    scale: str = "linear"  # or log, or zero: linear from 0
    only: str | None = None

    def shows(self, key: str) -> bool:
        """Whether a key belongs here: loss/generator does, its terms loss/generator/... do not."""
        word = key.removeprefix(self.prefix)
        return word != key and "/" not in word and self.only in (None, word)


METRIC = "metric/"
PANELS = (
    Panel("metric", METRIC, "log"),
    Panel("losses", "loss/"),
    Panel("logits", "logits/"),
    Panel("gradient norms", "grad_norm/", "log"),
    Panel("learning rates", "lr/", "zero"),
    Panel("images per second", "speed/", "zero", only="images_per_s"),
)


@dataclass
class Curve:
    """One key of one run over thousands of images; NaN where a value was not finite."""

    kimg: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


Curves = dict[str, Curve]


def draw_curves(folders: Sequence[RunFolder], path: Path) -> None:
    """Draw the records of runs into a PNG; several runs lie over each other.

    Args:
        folders: one run, or several to compare: then colours tell runs apart and dashes keys.
        path: the PNG file; its folder is made.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    protocols = _Protocols(folders)
    runs = [curves_of(folder, protocols) for folder in folders]
    figure = Figure(figsize=(13, 7.6 + 0.25 * (len(folders) > 1)), layout="constrained")
    FigureCanvasAgg(figure)
    for axis, panel in zip(figure.subplots(2, 3).flat, PANELS, strict=True):
        _draw_panel(axis, panel, runs)
    if len(folders) == 1:
        figure.suptitle(_title(folders[0]), fontsize=11)
    else:
        _legend_of_runs(figure, run_names(folders))
    figure.supxlabel(plain(protocols.text()), fontsize=SMALL, color=GREY)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:  # takes the place of a link instead of writing where it leads
        figure.savefig(file, dpi=DPI, format="png")


def _title(folder: RunFolder) -> str:
    path = folder.path.resolve()
    name = f"{path.parent.name}/{path.name}" if path.name.isdigit() else path.name
    asked = " ".join(stored_command(folder)["overrides"] or ())
    return plain(f"{name}   {shorten(asked, MOST_IN_TITLE, placeholder=' ...')}")


def plain(text: str) -> str:
    """The text as matplotlib shows it: between two dollar signs it would read a formula."""
    return text.replace("$", r"\$")


class _Protocols:
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


def curves_of(folder: RunFolder, protocols: _Protocols | None = None) -> Curves:
    """All numbers of a run's records, by key."""
    curves: Curves = {}
    for record in folder.records():
        for key, value in record.items():
            if "/" not in key or not (value is None or isinstance(value, int | float)):
                continue
            if key in NOT_DISTANCES:
                continue
            name = protocols.name(key, record) if protocols else key
            curve = curves.setdefault(name, Curve())
            curve.kimg.append(record.get("images_seen", 0) / KIMG)
            curve.values.append(math.nan if value is None else float(value))
    return curves


def palette(count: int) -> list[Any]:
    """As many colours: distinct ones while they last, then a scale from dark to light."""
    if count <= len(COLORS):
        return list(COLORS[:count])
    from matplotlib import colormaps

    return [colormaps["viridis"](i / count) for i in range(count)]


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


def _draw_panel(axis: Any, panel: Panel, runs: Sequence[Curves]) -> None:
    keys = list(dict.fromkeys(key for curves in runs for key in curves if panel.shows(key)))
    single = len(runs) == 1
    colors = palette(len(keys) if single else len(runs))
    values: list[float] = []
    for index, curves in enumerate(runs):
        for number, key in enumerate(keys):
            curve = curves.get(key, Curve())
            finite = [v for v in curve.values if math.isfinite(v)]
            if finite:
                draw = _draw_metric if panel.prefix == METRIC else _draw_curve
                dash = DASHES[number % len(DASHES)] if _dashed(panel, single) else "-"
                draw(axis, curve, {"color": colors[number if single else index], "linestyle": dash})
                values += finite
    axis.set_title(panel.title, fontsize=11, loc="left")
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=SMALL)
    if not values:
        axis.set(xticks=[], yticks=[])
        axis.spines[["bottom", "left"]].set_color("0.8")
        axis.text(0.5, 0.5, "no records", transform=axis.transAxes, ha="center", color="0.5")
        return
    axis.set_xlabel("kimg (thousands of images seen)", fontsize=SMALL, color=GREY)
    axis.grid(alpha=0.25, linewidth=0.6)
    _scale(axis, panel, values)
    _legend_of_keys(axis, panel, keys, single=single)


def _dashed(panel: Panel, single: bool) -> bool:
    # Two players' learning rates are often equal: a dashed line shows the one below it.
    return not single or panel.scale == "zero"


def _draw_curve(axis: Any, curve: Curve, style: Mapping[str, Any]) -> None:
    marker = "o" if len(curve.values) == 1 else None
    smooth = moving_average(curve.values)
    axis.plot(
        curve.kimg, curve.values, **style, marker=marker, lw=1.2, alpha=0.22 if smooth else 1.0
    )
    if smooth:
        axis.plot(curve.kimg, smooth, **style, lw=1.5)


def _draw_metric(axis: Any, curve: Curve, style: Mapping[str, Any]) -> None:
    """Every evaluation counts: no smoothing; a star marks the best of those after training began."""
    marker = "o" if len(curve.values) <= MANY_POINTS else None
    axis.plot(curve.kimg, curve.values, **style, lw=1.3, marker=marker, markersize=3.5)
    points = zip(curve.values, curve.kimg, strict=True)
    trained = [point for point in points if math.isfinite(point[0]) and point[1] > 0]
    if not trained:
        return
    best, where = min(trained)
    star = {"marker": "*", "markersize": 11, "markeredgecolor": "white", "zorder": 5}
    axis.plot([where], [best], color=style["color"], **star)


def _scale(axis: Any, panel: Panel, values: Sequence[float]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = min(values), max(values)
    if panel.scale == "log" and low > 0 and high > 2 * low:
        axis.set_yscale("log")
        if high < 100 * low:  # powers of ten alone would leave an axis of two numbers
            steps = (1, 1.5, 2, 3, 4, 5, 6, 8) if high < 8 * low else (1, 2, 3, 5, 7)
            axis.yaxis.set_major_locator(LogLocator(subs=steps))
            axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.yaxis.set_minor_formatter(NullFormatter())
        return
    axis.ticklabel_format(axis="y", style="sci", scilimits=(-3, 5))
    axis.yaxis.get_offset_text().set_fontsize(SMALL)
    if panel.scale == "zero" and low >= 0:
        axis.set_ylim(bottom=0, top=high * 1.08 or 1)


def _legend_of_keys(axis: Any, panel: Panel, keys: Sequence[str], *, single: bool) -> None:
    from matplotlib.lines import Line2D

    if panel.only:
        return
    names = [key.removeprefix(panel.prefix) for key in keys]
    if panel.prefix == METRIC and len(keys) == 1:
        axis.set_title(f"{names[0]} (lower is better)", fontsize=11, loc="left")
        return
    colors = palette(len(keys)) if single else ["0.3"] * len(keys)
    dashes = DASHES * len(keys) if _dashed(panel, single) else ("-",) * len(keys)
    lines = [Line2D([], [], color=c, linestyle=d) for c, d in zip(colors, dashes, strict=False)]
    axis.legend(lines, names, fontsize=SMALL, frameon=False, handlelength=2.6)


def _legend_of_runs(figure: Any, names: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    cut = [name if len(name) <= 70 else f"{name[:67]}..." for name in names[:MOST_IN_LEGEND]]
    shown = [plain(name) for name in cut]
    lines = [Line2D([], [], color=color, lw=2.5) for color in palette(len(names))[: len(shown)]]
    if len(names) > MOST_IN_LEGEND:
        shown.append(f"and {len(names) - MOST_IN_LEGEND} more")
        lines.append(Line2D([], [], linestyle="none"))
    columns = max(1, min(len(shown), 150 // (max(map(len, shown)) + 8)))
    figure.legend(
        lines, shown, loc="outside upper center", ncols=columns, fontsize=9, frameon=False
    )
