"""last.ckpt and those before it: how they follow each other, and which of them a run can go on from."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gan_lab.common.errors import CheckpointError
from gan_lab.storage.checkpoint import load_checkpoint, save_checkpoint
from gan_lab.storage.files import whole_file
from gan_lab.storage.run_folder import RunFolder

BEFORE_LAST = re.compile(r"last-([1-9]\d*)\.ckpt")


class Series:
    """A run's newest checkpoints: last.ckpt, before it last-1.ckpt, and so on.

    Args:
        folder: the run folder.
        keep: how many are kept beside last.ckpt.
    """

    def __init__(self, folder: RunFolder, *, keep: int) -> None:
        self.folder = folder
        self.keep = keep

    def save(self, state: Mapping[str, Any]) -> None:
        """Write last.ckpt; the one that it was becomes last-1.ckpt once the new one is whole on disk.

        Raises:
            CheckpointError: if it cannot be written; all stay as they were.
        """
        save_checkpoint(state, self.folder.last, ready=lambda _: self._move_on())

    def _move_on(self) -> None:
        """Give each file the next number. At no moment is last.ckpt missing, or fewer than before are there."""
        last = self.folder.last
        for file in earlier(self.folder):
            if _number(file) > self.keep or not last.is_file():
                file.unlink(missing_ok=True)
        if self.keep == 0 or not last.is_file():
            return
        for file in reversed(earlier(self.folder)):
            if _number(file) < self.keep:
                file.replace(_named(self.folder, _number(file) + 1))
        first = _named(self.folder, 1)
        aside = first.with_name(f"{first.name}.tmp-{os.getpid()}")
        try:
            os.link(last, aside)
            aside.replace(first)
        except OSError:  # a file system without second names: the new one takes the place at once
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)
            last.replace(first)

    def go_on_from(self, path: Path) -> None:
        """Make the file that a run goes on from its last.ckpt, so that a kill before the next save changes nothing.

        Those that are newer, or of a way that is left now, go.

        Raises:
            CheckpointError: if the disk refuses.
        """
        if _same(path, self.folder.last):
            return
        try:
            with path.open("rb") as source, whole_file(self.folder.last) as target:
                shutil.copyfileobj(source, target)
        except OSError as error:
            raise CheckpointError(
                f"{self.folder.last}: the checkpoint could not be written ({error.strerror or error}); "
                "free some disk space, then resume."
            ) from error
        for file in earlier(self.folder):
            if _same(file, path):
                break
            file.unlink(missing_ok=True)


def earlier(folder: RunFolder) -> list[Path]:
    """The checkpoints before last.ckpt that are there, the newest first."""
    found = [p for p in folder.checkpoints.glob("last-*.ckpt") if BEFORE_LAST.fullmatch(p.name)]
    return sorted(found, key=_number)


def newest_whole(files: Sequence[Path]) -> tuple[Path, dict[str, Any], list[str]]:
    """The first of the files that is not damaged.

    Returns:
        The file, its content, and a sentence for each file that was passed over.

    Raises:
        CheckpointError: of the first file, where all are damaged.
    """
    first: CheckpointError | None = None
    passed: list[str] = []
    for path in files:
        try:
            state = load_checkpoint(path)
        except CheckpointError as error:
            first = first or error
            passed.append(str(error))
            continue
        return path, state, passed
    assert first is not None, "there must be files to choose from"
    raise first


def _named(folder: RunFolder, number: int) -> Path:
    return folder.checkpoints / f"last-{number}.ckpt"


def _number(file: Path) -> int:
    found = BEFORE_LAST.fullmatch(file.name)
    return int(found[1]) if found else 0


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)
