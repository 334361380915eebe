"""Records on their way to one tracker: what it cannot take now waits, and the first that it took is looked up."""

from __future__ import annotations

import copy
import logging
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from gan_lab.common.errors import GanLabError, first_line
from gan_lab.engine.clock import Clock

log = logging.getLogger(__name__)


class Tracker(Protocol):
    """A tracking service; the x-axis is images seen."""

    def record(self, values: Mapping[str, float], clock: Clock) -> None:
        """Log values by key; raises where the service takes nothing, and then has nothing of this record."""

    def received(self, values: Mapping[str, float], clock: Clock) -> bool:
        """Whether the service has this record, the last one, looked up where it keeps it."""

    def picture(self, key: str, path: Path, clock: Clock) -> None:
        """Log a PNG file under a key."""

    def close(self, exit_code: int) -> None:
        """Finish the run at the service; called once, also after a failure."""


class Delivery:
    """Hands records to one tracker in their order. A tracker's trouble, such as a full disk, never ends a run.

    Args:
        tracker: the service.
    """

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.name = type(tracker).__module__.rpartition(".")[2]
        self.waiting: deque[tuple[dict[str, float], Clock]] = deque()
        self._proven = False
        self._in_trouble = False

    def record(self, values: Mapping[str, float], clock: Clock) -> None:
        """Hand on this record, behind those that wait.

        Raises:
            GanLabError: if the tracker took its first record without a word and does not have it.
        """
        self.waiting.append((dict(values), copy.copy(clock)))  # the run's clock goes on
        self.catch_up()

    def picture(self, key: str, path: Path, clock: Clock) -> None:
        """Hand on a PNG file; one that is not taken stays in the run folder only."""
        try:
            self.tracker.picture(key, path, clock)
        except Exception as error:
            log.warning(f"logger={self.name}: {path.name} was not taken ({first_line(error)}).")

    def catch_up(self) -> None:
        """Hand on what waits, until the tracker refuses."""
        while self.waiting:
            values, clock = self.waiting[0]
            try:
                self.tracker.record(values, clock)
            except Exception as error:  # each service has kinds of its own
                self._tell(error)
                return
            self.waiting.popleft()
            self._prove(values, clock)
        if self._in_trouble:
            log.info(f"logger={self.name}: all records that waited are written.")
        self._in_trouble = False

    def close(self, exit_code: int) -> None:
        """Finish, and say what never arrived."""
        try:
            self.catch_up()
        finally:
            if self.waiting:
                log.warning(
                    f"logger={self.name}: {len(self.waiting)} records are missing there; metrics.jsonl has them."
                )
            try:
                self.tracker.close(exit_code)
            except Exception as error:
                log.warning(f"logger={self.name}: it could not be closed ({first_line(error)}).")

    def _tell(self, error: Exception) -> None:
        if not self._in_trouble:
            log.warning(
                f"logger={self.name}: a record could not be written ({first_line(error)}); training goes on, "
                "and records wait until there is room."
            )
        self._in_trouble = True

    def _prove(self, values: Mapping[str, float], clock: Clock) -> None:
        """Look up the first record that was taken."""
        if self._proven:
            return
        self._proven = True
        received = getattr(self.tracker, "received", None)  # trackers of others may not tell
        if received is not None and not received(values, clock):
            raise GanLabError(
                f"logger={self.name}: the first record was taken and is not there; "
                "leave this logger out (logger=none for all), or mend what keeps it from writing."
            )
