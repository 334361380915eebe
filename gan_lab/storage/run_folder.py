"""The run folder: everything of a run lies in it, as plain files."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from gan_lab.common.errors import CheckpointError, ConfigError
from gan_lab.common.paths import user_path
from gan_lab.storage.files import write_whole
from gan_lab.storage.locks import lock_file


class RunFolder:
    """Paths of one run's files, and how the plain ones are read and written.

    config.yaml (resolved), overrides.yaml, environment.json, train.log, metrics.jsonl (one JSON record per line),
    samples/*.png, checkpoints/last.ckpt and best.ckpt, curves.png, status.json.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.overrides = self.path / "overrides.yaml"
        self.environment = self.path / "environment.json"
        self.log = self.path / "train.log"
        self.metrics = self.path / "metrics.jsonl"
        self.curves = self.path / "curves.png"
        self.status = self.path / "status.json"
        self.samples = self.path / "samples"
        self.checkpoints = self.path / "checkpoints"
        self.last = self.checkpoints / "last.ckpt"
        self.best = self.checkpoints / "best.ckpt"
        self._unwritten = b""

    @classmethod
    def existing(cls, path: str | Path) -> RunFolder:
        """The folder of a run that was made before; a file inside it is understood too.

        Raises:
            CheckpointError: if no run lies there.
        """
        given = user_path(path, "run")
        for candidate in (given, given.parent, given.parent.parent):
            folder = cls(candidate)
            if folder.config.is_file():
                return folder
        raise CheckpointError(
            f"{given}: no run folder is there (no config.yaml in it or above it); "
            "give the folder that training printed."
        )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from training in this folder meanwhile.

        Raises:
            ConfigError: if one does, or the folder cannot be made.
        """
        lock = self.path / ".lock"
        with ExitStack() as stack:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                stack.enter_context(lock_file(lock, busy=self._refuse))
            except OSError as error:
                raise ConfigError(
                    f"hydra.run.dir={self.path}: the run folder cannot be made ({error.strerror})."
                ) from error
            try:
                yield
            finally:
                if [lock] == list(self.path.iterdir()):  # no run came of it
                    lock.unlink(missing_ok=True)

    def _refuse(self) -> None:
        raise ConfigError(
            f"hydra.run.dir={self.path}: another process is training in this folder; "
            "wait for it, or give another hydra.run.dir."
        )

    def records(self) -> Iterator[dict[str, Any]]:
        """The records of metrics.jsonl and those that wait; a last line cut short by a kill is left out."""
        text = self.metrics.read_bytes() if self.metrics.is_file() else b""
        for line in (text + self._unwritten).decode(errors="replace").splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(record, dict):
                yield record

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one record to metrics.jsonl.

        Raises:
            OSError: where it cannot be written; it is kept, and written before the next one.
        """
        self._unwritten += (json.dumps(record) + "\n").encode()
        self.flush()

    def flush(self) -> None:
        """Write the records that could not be written before.

        Raises:
            OSError: where that fails again.
        """
        if not self._unwritten:
            return
        # A fifth of the cost of a Python file object, and unlike a file kept open it follows the folder.
        file = os.open(self.metrics, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            written = os.write(file, self._unwritten)
        finally:
            os.close(file)
        self._unwritten = self._unwritten[written:]  # a disk may take the first part of a line
        if self._unwritten:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.metrics))

    def drop_records_after(self, iteration: int) -> int:
        """Forget records past this iteration (a resumed run makes them again); return how many."""
        records = list(self.records())
        kept = [record for record in records if record.get("iteration", 0) <= iteration]
        if self.metrics.is_file():
            write_whole(self.metrics, "".join(json.dumps(record) + "\n" for record in kept))
        return len(records) - len(kept)

    def write_status(self, **status: Any) -> None:
        """Say how the run stands: state, reason, final metric."""
        write_whole(self.status, json.dumps(status, indent=1) + "\n")
