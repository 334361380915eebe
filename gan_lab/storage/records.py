"""metrics.jsonl: one JSON record per line, added to while a run trains."""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gan_lab.common.errors import GanLabError
from gan_lab.storage.files import write_whole

log = logging.getLogger(__name__)

COUNTERS = ("iteration", "images_seen")


class Records:
    """The records of one run.

    Args:
        path: the file; made with the first record.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: list[bytes] = []  # lines that are not wholly in the file
        self._begun = 0  # bytes of the first of them that are
        self._count: int | None = None
        self._told = False

    def read(self) -> list[dict[str, Any]]:
        """All records, those that wait among them; a line that a kill cut short is left out.

        Other lines that are no records are left out too, and how many they are is said once.

        Raises:
            GanLabError: where the file cannot be read.
        """
        try:
            content = self.path.read_bytes() if self.path.is_file() else b""
        except OSError as error:
            raise GanLabError(
                f"{self.path}: cannot be read ({error.strerror or error})."
            ) from error
        *lines, rest = (content + self._unwritten()).split(b"\n")
        found = [record for line in lines if (record := _record(line)) is not None]
        lost = sum(bool(line.strip()) for line in lines) - len(found)
        if lost and not self._told:
            self._told = True
            log.warning(f"{self.path}: {lost} damaged lines are left out.")
        whole = _record(rest)  # the last line may lack its end alone
        return found if whole is None else [*found, whole]

    def __len__(self) -> int:
        """How many there are."""
        if self._count is None:
            self._count = len(self.read())
        return self._count

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one.

        Raises:
            OSError: where it cannot be written; it is kept, and written before the next one.
        """
        self._count = len(self) + 1
        self._waiting.append((json.dumps(record) + "\n").encode())
        self.flush()

    def waiting(self) -> list[str]:
        """The lines that are not wholly in the file: a kill would lose them."""
        return [line.decode() for line in self._waiting]

    def _unwritten(self) -> bytes:
        return b"".join(self._waiting)[self._begun :]

    def flush(self) -> None:
        """Write the records that could not be written before.

        Raises:
            OSError: where that fails again.
        """
        if not self._waiting:
            return
        # A fifth of the cost of a Python file object, and unlike a file kept open it follows the folder.
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            self._begun += os.write(file, self._unwritten())
        finally:
            os.close(file)
        while self._waiting and self._begun >= len(self._waiting[0]):
            self._begun -= len(self._waiting.pop(0))  # a disk may take the first part of a line
        if self._waiting:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def cut(self, iteration: int, count: int | None = None, waited: Sequence[str] = ()) -> int:
        """Forget what a resumed run makes again; returns how many records that were.

        Args:
            iteration: records past it go.
            count: how many there were when the checkpoint was written; those behind go too. None where it is not
                known.
            waited: the last of these, as lines, where they were not in the file at that time.

        Raises:
            GanLabError: where the file cannot be read or written.
        """
        records = self.read()
        written = None if count is None else max(count - len(waited), 0)
        known = [*records[:written], *filter(None, map(_record, waited))]
        kept = [record for record in known if record.get("iteration", 0) <= iteration]
        if self.path.is_file() or kept:
            write_whole(self.path, "".join(json.dumps(record) + "\n" for record in kept))
        self._count = len(kept)
        return max(len(records) - len(kept), 0)


def _record(line: bytes | str) -> dict[str, Any] | None:
    """The record that a line holds, or None where it is damaged."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):  # not JSON, or not UTF-8
        return None
    if not isinstance(record, dict):
        return None
    whole = all(type(record.get(key, 0)) is int for key in COUNTERS)
    return record if whole else None
