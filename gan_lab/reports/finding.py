"""Where the runs of a comparison lie, how they stand, and what their folders are called."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gan_lab.common.paths import user_path
from gan_lab.storage.links import refuse_ways_out
from gan_lab.storage.run_folder import RunFolder

DEPTH = 4  # folders below a given one in which runs are looked for


def find_runs(paths: Sequence[str | Path]) -> list[RunFolder]:
    """The runs in or below these folders, each once.

    Raises:
        CheckpointError: at a path without any, or a run with a link that leads out of its folder.
    """
    found: dict[Path, RunFolder] = {}
    for path in [user_path(one, "run") for one in paths]:
        inside = [RunFolder(folder) for folder in _folders(path) if _is_run(folder)]
        for run in inside or [RunFolder.existing(path)]:  # a file of a run, or a sentence
            refuse_ways_out(run.path)
            found.setdefault(run.path.resolve(), run)
    return list(found.values())


def common_folder(runs: Sequence[RunFolder]) -> Path:
    """The deepest folder that holds all runs."""
    paths = [run.path.resolve() for run in runs]
    return Path(os.path.commonpath(paths))


def places(runs: Sequence[RunFolder]) -> list[str]:
    """Folder names, with as much of the path before them as tells all apart."""
    common = common_folder(runs)
    if len(runs) == 1:
        return [common.name]
    return [str(run.path.resolve().relative_to(common)) for run in runs]


def standing_of(run: RunFolder) -> dict[str, str]:
    """What status.json says; without one the run is on its way or was killed."""
    status = run.read_status()
    if "state" not in status:
        return {"state": "unfinished"}
    reason = str(status.get("reason", "")).strip().partition("\n")[0]
    return {"state": str(status["state"]), "reason": reason}


def _folders(path: Path, depth: int = DEPTH) -> list[Path]:
    """This folder and those below, none inside a run, with job 2 before job 10."""
    if not path.is_dir():
        return []
    if _is_run(path) or depth == 0:
        return [path]
    below = sorted((p for p in path.iterdir() if p.is_dir()), key=_natural)
    return [path, *(found for folder in below for found in _folders(folder, depth - 1))]


def _is_run(path: Path) -> bool:
    run = RunFolder(path)
    # A job that failed early has no config.yaml.
    return run.config.is_file() or run.status.is_file()


def _natural(path: Path) -> tuple[int, str]:
    return (int(path.name), "") if path.name.isdigit() else (sys.maxsize, path.name)
