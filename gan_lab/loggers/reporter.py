"""One funnel for all records: a line of metrics.jsonl, then every logger."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gan_lab.engine.clock import Clock
from gan_lab.loggers.delivery import Delivery, Tracker
from gan_lab.storage.run_folder import RunFolder

log = logging.getLogger(__name__)


class Reporter:
    """Writes records and hands them on; where there is no room for them they wait, and training goes on.

    Args:
        folder: the run folder.
        trackers: tracking services, possibly none.
    """

    def __init__(self, folder: RunFolder, trackers: Sequence[Tracker] = ()) -> None:
        self.folder = folder
        self.deliveries = [Delivery(tracker) for tracker in trackers]
        self._in_trouble = False

    def add(self, trackers: Sequence[Tracker]) -> None:
        """Hand on to these too from now on."""
        self.deliveries += [Delivery(tracker) for tracker in trackers]

    def record(
        self,
        clock: Clock,
        values: Mapping[str, float],
        *,
        protocol: Mapping[str, Any] | None = None,
    ) -> None:
        """Log values under the clock's counters; a metric comes with its protocol.

        Raises:
            GanLabError: if a tracker took its first record without a word and does not have it.
        """
        line: dict[str, Any] = {**clock.counters(), **values}
        # JSON has no NaN: a value that is not finite is written as null.
        if not all(map(math.isfinite, values.values())):
            line |= {key: None for key, value in values.items() if not math.isfinite(value)}
        if protocol is not None:
            line["protocol"] = dict(protocol)
        self._append(line)
        for delivery in self.deliveries:
            delivery.record(values, clock)

    def picture(self, clock: Clock, key: str, path: Path) -> None:
        """Log a PNG file that lies in the run folder."""
        for delivery in self.deliveries:
            delivery.picture(key, path, clock)

    def close(self, exit_code: int) -> None:
        """Finish at every service.

        Raises:
            OSError: if records still wait for room in metrics.jsonl.
        """
        deliveries, self.deliveries = self.deliveries, []
        try:
            self.folder.flush()
        finally:
            for delivery in deliveries:
                delivery.close(exit_code)

    def _append(self, line: Mapping[str, Any]) -> None:
        try:
            self.folder.append(line)
        except OSError as error:
            if not self._in_trouble:
                log.warning(
                    f"{self.folder.metrics}: a record could not be written ({error.strerror or error}); "
                    "training goes on, and records wait until there is room."
                )
            self._in_trouble = True
            return
        if self._in_trouble:
            log.info(f"{self.folder.metrics}: all records that waited are written.")
        self._in_trouble = False
