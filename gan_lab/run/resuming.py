"""Going on with a run or starting one: from which checkpoint, and that nothing of a run is ever wiped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_lab.common.commands import option
from gan_lab.common.errors import CheckpointError, ConfigError
from gan_lab.common.paths import user_path
from gan_lab.config.types import check_type
from gan_lab.storage.checkpoint import load_checkpoint
from gan_lab.storage.run_folder import RunFolder
from gan_lab.storage.series import Series, earlier, newest_whole


@dataclass(frozen=True)
class Resumed:
    """What a run goes on from: the file, its content, and sentences about files that were passed over."""

    path: Path
    state: dict[str, Any]
    notes: list[str]


def run_to_resume(wish: Any, folder: RunFolder) -> RunFolder:
    """The folder that will be trained in; only its name is found here, since its lock comes before any reading.

    Args:
        wish: the option `resume`.
        folder: of a new run, and of resume=auto.

    Raises:
        CheckpointError: if no run lies where `resume` says.
        ConfigError: if it is no path.
    """
    check_type("resume", wish, str | None)
    if wish in (None, "auto"):
        return folder
    return RunFolder.existing(user_path(wish, "resume"))


def resumed(wish: str | None, folder: RunFolder, *, alone: bool) -> Resumed | None:
    """The checkpoint to go on from; None where a run begins.

    Args:
        wish: the option `resume`.
        folder: from `run_to_resume`.
        alone: whether this process holds the folder's lock; the other ranks meet what the first has made already.

    Raises:
        CheckpointError: if there is none, or none is whole.
        ConfigError: if a run begins where another lies.
    """
    if wish is None:
        if alone:
            refuse_to_wipe(folder)
        return None
    if wish.endswith(".ckpt"):
        path = user_path(wish, "resume")
        return Resumed(path, _of_a_run(load_checkpoint(path), path), [])
    files = [path for path in (folder.last, *earlier(folder)) if path.is_file()]
    if not files:
        if wish != "auto":
            raise CheckpointError(
                f"{folder.last}: there is no checkpoint here to go on from{_else(folder)}."
            )
        if alone:
            refuse_to_wipe(folder)
        return None
    path, state, notes = newest_whole(files)
    if files[0] != folder.last:
        notes = [f"{folder.last}: there is no such file any more.", *notes]
    return Resumed(
        path,
        _of_a_run(state, path),
        [*notes, f"The run goes on from {path.name}."] if notes else [],
    )


def _of_a_run(state: dict[str, Any], path: Path) -> dict[str, Any]:
    """The content of a checkpoint, once it has what every run's has."""
    clock = state.get("clock")
    parts = [state.get(key) for key in ("networks", "players", "identity", "evaluation")]
    sound = (
        isinstance(clock, dict)
        and _are_counts(clock)
        and {"iteration", "images_seen"} <= set(clock)
        and all(isinstance(part, dict) for part in parts[:2])
        and all(isinstance(part, dict | None) for part in parts[2:])
        and type(state.get("records", 0)) is int
        and _are_texts(state.get("waiting_records", []))
    )
    if not sound:
        raise CheckpointError(f"{path}: holds no state of a run; use another file of its folder.")
    return state


def _are_counts(node: Any) -> bool:
    if isinstance(node, dict):
        return all(map(_are_counts, node.values()))
    return type(node) is int and node >= 0


def _are_texts(node: Any) -> bool:
    return isinstance(node, list) and all(isinstance(one, str) for one in node)


def refuse_to_wipe(folder: RunFolder) -> None:
    """Refuse to begin a run where a checkpoint or a record of another lies.

    Raises:
        ConfigError: naming what to go on from.
    """
    where = f"hydra.run.dir={folder.path}: a run lies there already"
    other = "another hydra.run.dir starts a new one"
    if folder.last.is_file() or earlier(folder):
        raise ConfigError(f"{where}; resume=auto goes on with it, {other}.")
    if left := _else(folder):
        raise ConfigError(f"{where}, but its last.ckpt is missing{left}, {other}.")
    if folder.metrics.is_file() and folder.metrics.stat().st_size > 0:
        raise ConfigError(
            f"{where}: {folder.metrics.name} holds its records, but no checkpoint is left to go on from; {other}."
        )


def _else(folder: RunFolder) -> str:
    """What to go on from where last.ckpt and those before it are missing; empty where there is nothing."""
    left = sorted(folder.checkpoints.glob("*.ckpt"), key=lambda path: path.stat().st_mtime)
    return f"; {option('resume', left[-1])} goes on from there" if left else ""


def settle(found: Resumed, folder: RunFolder, keep: int) -> None:
    """Make the checkpoint that the run goes on from its last.ckpt, before later records are dropped."""
    Series(folder, keep=keep).go_on_from(found.path)
