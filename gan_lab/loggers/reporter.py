"""One funnel for all records: a line of metrics.jsonl, then every logger."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from gan_lab.engine.clock import Clock
from gan_lab.storage.run_folder import RunFolder


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


class Reporter:
    """Writes records and hands them on.

    Args:
        folder: the run folder.
        trackers: tracking services, possibly none.
    """

    def __init__(self, folder: RunFolder, trackers: Sequence[Tracker] = ()) -> None:
        self.folder = folder
        self.trackers = list(trackers)

    def record(
        self,
        clock: Clock,
        values: Mapping[str, float],
        *,
        protocol: Mapping[str, Any] | None = None,
    ) -> None:
        """Log values under the clock's counters; a metric comes with its protocol."""
        line: dict[str, Any] = {**clock.counters(), **values}
        # JSON has no NaN: a value that is not finite is written as null.
        if not all(map(math.isfinite, values.values())):
            line |= {key: None for key, value in values.items() if not math.isfinite(value)}
        if protocol is not None:
            line["protocol"] = dict(protocol)
        self.folder.append(line)
        for tracker in self.trackers:
            tracker.record(values, clock)

    def picture(self, clock: Clock, key: str, path: Path) -> None:
        """Log a PNG file that lies in the run folder."""
        for tracker in self.trackers:
            tracker.picture(key, path, clock)

    def close(self, exit_code: int) -> None:
        """Finish at every service, whatever one of them raises."""
        errors: list[Exception] = []
        try:
            self.folder.flush()
        except OSError as error:
            errors.append(error)
        for tracker in self.trackers:
            try:
                tracker.close(exit_code)
            except Exception as error:
                errors.append(error)
        self.trackers = []
        if errors:
            raise errors[0]
