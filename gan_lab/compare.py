"""Compare runs: `python -m gan_lab.compare <run folders or a multirun's folder> [options]`.

Prints a table for each protocol under which a metric was measured, best run first, and draws the curves of all runs.

  out=<file>      a figure (.png, .pdf, .svg) or a table (.csv, .tex, .md, .json); may be given several times;
                  compare.png in the folder that holds all runs where it is left out
  panels=[...]    what a figure shows: metric, losses, logits, gradients, rates, speed, one metric such as fid,
                  or a key of metrics.jsonl such as loss/discriminator/gradient_penalty; all of the first six by default
  over=seed       average the runs that differ in this option alone; several as over=[seed,data.flip]
  grids=true      the last sample grid of each run below the curves; grids=best: that of its best value
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gan_lab.common.errors import ConfigError, GanLabError, nearest
from gan_lab.common.paths import user_path
from gan_lab.process.console import speaking
from gan_lab.reports.comparison import compare

log = logging.getLogger(__name__)

GRIDS = {"true": "last", "last": "last", "best": "best", "false": None}


@dataclass
class Wishes:
    """What the command line asks for."""

    paths: list[str] = field(default_factory=list)
    outs: list[str] = field(default_factory=list)
    panels: list[str] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    grids: str | None = None

    def hear_grids(self, value: str) -> None:
        """One of a few words."""
        if value.lower() not in GRIDS:
            raise ConfigError(f"grids={value}: must be true, last, best or false.")
        self.grids = GRIDS[value.lower()]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    with speaking():
        if {"-h", "--help"} & set(given):
            sys.stdout.write(f"{__doc__}")
            return 0
        try:
            wish = _parse(given)
            written = compare(
                wish.paths, wish.outs, panels=wish.panels, over=wish.over, grids=wish.grids
            )
            sys.stdout.write("\n" + "".join(f"{path}\n" for path in written))
        except GanLabError as error:
            log.error(str(error))
            return error.exit_code
    return 0


def _parse(arguments: Sequence[str]) -> Wishes:
    wish = Wishes()
    options: dict[str, Callable[[str], object]] = {
        "out": wish.outs.append,
        "panels": lambda value: wish.panels.extend(_words(value)),
        "over": lambda value: wish.over.extend(_words(value)),
        "grids": wish.hear_grids,
    }
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if key in options and equals:
            options[key](value)
        elif argument.startswith("-"):
            raise ConfigError(f"{argument}: no such flag; there is only --help.")
        elif equals and not user_path(argument, "run").exists():
            near = nearest(key, options) or f"; there are {', '.join(options)}."
            raise ConfigError(f"{key}: no such option{near}")
        else:
            wish.paths.append(argument)
    if not wish.paths:
        raise ConfigError(
            "There is nothing to compare: give run folders, or the folder of a multirun, "
            "such as outputs/<date>/<time>-sweep."
        )
    return wish


def _words(value: str) -> list[str]:
    """The words of `a`, `a,b` or `[a, b]`."""
    words = value.removeprefix("[").removesuffix("]").split(",")
    return [word.strip() for word in words if word.strip()]


if __name__ == "__main__":
    sys.exit(main())
