"""Compare runs: `python -m gan_lab.compare <run folders or a multirun's folder> [out=<file.png>]`.

Prints a table for each protocol under which a metric was measured, best run first, and draws the
curves of all runs into one picture (by default compare.png in the folder that holds them all).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from gan_lab.common.errors import ConfigError, GanLabError, nearest
from gan_lab.common.paths import user_path
from gan_lab.process.console import speaking
from gan_lab.reports.comparison import compare

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    with speaking():
        if {"-h", "--help"} & set(given):
            sys.stdout.write(f"{__doc__}")
            return 0
        try:
            paths, out = _parse(given)
            sys.stdout.write(f"\n{compare(paths, out)}\n")
        except GanLabError as error:
            log.error(str(error))
            return error.exit_code
    return 0


def _parse(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    paths, out = [], None
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if key == "out" and equals:
            out = value
        elif argument.startswith("-"):
            raise ConfigError(f"{argument}: no such flag; there is only --help.")
        elif equals and not user_path(argument, "run").exists():
            near = nearest(key, ["out"]) or "; there is only out=<file.png>."
            raise ConfigError(f"{key}: no such option{near}")
        else:
            paths.append(argument)
    if not paths:
        raise ConfigError(
            "There is nothing to compare: give run folders, or the folder of a multirun, "
            "such as outputs/<date>/<time>-sweep."
        )
    return paths, out


if __name__ == "__main__":
    sys.exit(main())
