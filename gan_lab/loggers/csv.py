"""All records as one table, through Lightning's logger."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gan_lab.engine.clock import Clock
from gan_lab.storage.run_folder import RunFolder


class CsvTracker:
    """`csv/metrics.csv` in the run folder: a row per record, a column per key.

    The column `step` is images seen.

    Args:
        folder: the run folder.
    """

    def __init__(self, *, folder: RunFolder) -> None:
        from lightning.pytorch.loggers import CSVLogger

        self.logger = CSVLogger(folder.path, name="csv", version="")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the table of a resumed run is begun anew
            _ = self.logger.experiment
        # Lightning deletes the table that it finds. metrics.jsonl has all of its rows, without
        # those past the checkpoint that a resumed run starts from.
        for record in folder.records():
            self._row(record)
        self.logger.save()

    def record(self, values: Mapping[str, float], clock: Clock) -> None:
        """Add a row; it is on disk when this returns."""
        self._row({**clock.counters(), **values})
        self.logger.save()

    def picture(self, key: str, path: Path, clock: Clock) -> None:
        """Pictures lie in the run folder already."""

    def close(self, exit_code: int) -> None:
        """Write what is left."""
        del exit_code
        self.logger.finalize("")

    def _row(self, record: Mapping[str, Any]) -> None:
        row = {k: v for k, v in record.items() if v is None or isinstance(v, int | float)}
        self.logger.experiment.log_metrics(row, record["images_seen"])
