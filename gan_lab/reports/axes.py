"""One pair of axes: the curves of a panel's keys, for one run or for several over each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gan_lab.reports.panels import METRIC, Panel, first_words
from gan_lab.reports.series import MANY_POINTS, Curve, Curves, moving_average

# Okabe and Ito's colours, which colour-blind people tell apart, without the yellow.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1, 1, 1)))
SMALL, GREY = 8, "0.35"


def palette(count: int) -> list[Any]:
    """As many colours: distinct ones while they last, then a scale from dark to light."""
    if count <= len(COLORS):
        return list(COLORS[:count])
    from matplotlib import colormaps

    return [colormaps["viridis"](i / count) for i in range(count)]


def draw_panel(axis: Any, panel: Panel, runs: Sequence[Curves]) -> None:
    """Draw a panel; of one run colours tell keys apart, of several they tell runs apart and dashes keys."""
    keys = list(dict.fromkeys(key for curves in runs for key in curves if panel.shows(key)))
    single = len(runs) == 1
    colors = palette(len(keys) if single else len(runs))
    values: list[float] = []
    for index, curves in enumerate(runs):
        for number, key in enumerate(keys):
            curve = curves.get(key, Curve())
            finite = [v for v in [*curve.values, *curve.low, *curve.high] if math.isfinite(v)]
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
    # The raw curves of several runs are in the band already.
    faint = 0.0 if curve.low else 0.22
    alpha = faint if smooth else 1.0
    _draw_band(axis, curve, style["color"])
    axis.plot(curve.kimg, curve.values, **style, marker=marker, lw=1.2, alpha=alpha)
    if smooth:
        axis.plot(curve.kimg, smooth, **style, lw=1.5)


def _draw_metric(axis: Any, curve: Curve, style: Mapping[str, Any]) -> None:
    """Every evaluation counts: no smoothing; a star marks the best of those after training began."""
    marker = "o" if len(curve.values) <= MANY_POINTS else None
    _draw_band(axis, curve, style["color"])
    axis.plot(curve.kimg, curve.values, **style, lw=1.3, marker=marker, markersize=3.5)
    points = zip(curve.values, curve.kimg, strict=True)
    trained = [point for point in points if math.isfinite(point[0]) and point[1] > 0]
    if not trained:
        return
    best, where = (min if curve.lower_is_better else max)(trained)
    star = {"marker": "*", "markersize": 11, "markeredgecolor": "white", "zorder": 5}
    axis.plot([where], [best], color=style["color"], **star)


def _draw_band(axis: Any, curve: Curve, color: Any) -> None:
    if curve.low:
        low, high = (moving_average(edge) or edge for edge in (curve.low, curve.high))
        axis.fill_between(curve.kimg, low, high, color=color, alpha=0.18, linewidth=0)


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

    if panel.only and len(keys) == 1:  # the title says it
        return
    names = first_words(keys, panel)
    colors = palette(len(keys)) if single else ["0.3"] * len(keys)
    dashes = DASHES * len(keys) if _dashed(panel, single) else ("-",) * len(keys)
    lines = [Line2D([], [], color=c, linestyle=d) for c, d in zip(colors, dashes, strict=False)]
    axis.legend(lines, names, fontsize=SMALL, frameon=False, handlelength=2.6)
