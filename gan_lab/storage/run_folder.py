"""The run folder: everything of a run lies in it, as plain files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from gan_lab.common.errors import CheckpointError, ConfigError
from gan_lab.common.paths import user_path
from gan_lab.storage.files import write_whole
from gan_lab.storage.links import refuse_ways_out
from gan_lab.storage.locks import lock_file
from gan_lab.storage.records import Records


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
        self._records = Records(self.metrics)
        self.seal = self.path / ".seal"

    @classmethod
    def existing(cls, path: str | Path) -> RunFolder:
        """The folder of a run that was made before; a file inside it is understood too.

        Raises:
            CheckpointError: if no run lies there, or a link leads out of its folder.
        """
        given = user_path(path, "run")
        for candidate in (given, given.parent, given.parent.parent):
            folder = cls(candidate)
            if folder.config.is_file():
                refuse_ways_out(folder.path)
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
        made = [place for place in (self.path, *self.path.parents) if not place.exists()]
        refuse_ways_out(self.path)
        with ExitStack() as stack:
            stack.callback(_take_away, made)  # the last thing, after the lock
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                lock = lock_file(self.path / ".lock", busy=self._refuse, fleeting=True)
                stack.enter_context(lock)
            except OSError as error:
                raise ConfigError(
                    f"hydra.run.dir={self.path}: the run folder cannot be made ({error.strerror})."
                ) from error
            yield

    def _refuse(self) -> None:
        raise ConfigError(
            f"hydra.run.dir={self.path}: another process is training in this folder; "
            "wait for it, or give another hydra.run.dir."
        )

    def records(self) -> list[dict[str, Any]]:
        """The records of metrics.jsonl and those that wait to be written."""
        return self._records.read()

    def count_records(self) -> int:
        """How many there are."""
        return len(self._records)

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one record to metrics.jsonl; an OSError says that it waits, and is written before the next one."""
        self._records.append(record)

    def flush(self) -> None:
        """Write the records that wait; an OSError says that there is no room yet."""
        self._records.flush()

    def waiting_records(self) -> list[str]:
        """Those that wait to be written, as lines."""
        return self._records.waiting()

    def drop_records_after(
        self, iteration: int, count: int | None = None, waited: Sequence[str] = ()
    ) -> int:
        """Forget records past this iteration or this many (a resumed run makes them again); return how many.

        Those that waited when the checkpoint was written come back.
        """
        return self._records.cut(iteration, count, waited)

    def write_status(self, **status: Any) -> None:
        """Say how the run stands: state, reason, final metric."""
        write_whole(self.status, json.dumps(status, indent=1) + "\n")

    def read_status(self) -> dict[str, Any]:
        """What `write_status` wrote; empty where that is missing or damaged."""
        try:
            status = json.loads(self.status.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return status if isinstance(status, dict) else {}


def _take_away(folders: Sequence[Path]) -> None:
    """Remove new folders, the deepest first, where no run came of it: one that holds something stays."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()
