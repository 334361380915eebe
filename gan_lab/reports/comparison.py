"""The comparison of runs as people ask for it: tables on the terminal, tables and figures as files."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from gan_lab.common.errors import ConfigError, GanLabError
from gan_lab.common.texts import printable
from gan_lab.reports.finding import common_folder, find_runs
from gan_lab.reports.formats import is_figure, out_path
from gan_lab.reports.sheets import compared
from gan_lab.reports.writers import WRITERS, as_text
from gan_lab.storage.files import write_whole
from gan_lab.storage.run_folder import RunFolder


def report(runs: Sequence[RunFolder], over: Collection[str] = ()) -> str:
    """The comparison as plain text."""
    return as_text(compared(runs, over))


def compare(
    paths: Sequence[str | Path],
    outs: Sequence[str | Path] = (),
    *,
    panels: Sequence[str] = (),
    over: Sequence[str] = (),
    grids: str | None = None,
) -> list[Path]:
    """Print the comparison of runs, and write it as tables and figures.

    Args:
        paths: run folders, or folders that hold some.
        outs: files, each a table or a figure by its suffix; compare.png beside the runs by default.
        panels: of the figures, see `panels_of`; all by default.
        over: options whose runs are averaged, such as seed.
        grids: last or best: the sample grids that stand below the curves.

    Returns:
        The files that were written.

    Raises:
        GanLabError: one sentence; of the files, those before it are written.
    """
    targets = [out_path(out) for out in outs]
    if targets and not any(map(is_figure, targets)):
        _refuse_for_tables(panels=panels, grids=grids)
    runs = find_runs(paths)
    found = compared(runs, over)
    sys.stdout.write(printable(as_text(found)))
    targets = targets or [common_folder(runs) / "compare.png"]
    for target in targets:
        if is_figure(target):
            _draw(runs, target, panels=panels, over=over, grids=grids)
        else:
            _write(WRITERS[target.suffix.lower()](found), target)
    return targets


def _refuse_for_tables(**options: object) -> None:
    for option, wish in options.items():
        if wish:
            raise ConfigError(
                f"{option}: belongs to a figure, and no out= is one; add out=<file.pdf>."
            )


def _write(content: str, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GanLabError(
            f"out={target}: cannot be written ({error.strerror or error})."
        ) from error
    write_whole(target, content)


def _draw(
    runs: Sequence[RunFolder],
    target: Path,
    *,
    panels: Sequence[str],
    over: Sequence[str],
    grids: str | None,
) -> None:
    from gan_lab.reports.curves import draw_curves

    try:
        draw_curves(runs, target, panels=panels, over=over, grids=grids)
    except OSError as error:
        raise GanLabError(
            f"out={target}: the picture cannot be written ({error.strerror or error})."
        ) from error
