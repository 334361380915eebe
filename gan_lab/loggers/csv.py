"""All records as one table."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gan_lab.engine.clock import Clock
from gan_lab.storage.files import append_whole, write_whole
from gan_lab.storage.run_folder import RunFolder

Row = Mapping[str, Any]


class CsvTracker:
    """`csv/metrics.csv` in the run folder: a row per record, a column per key.

    The column `step` is images seen. Lightning's logger is not used: it is silent where a variable such as LOCAL_RANK
    is left in the environment, and empties the table before it writes a wider one.

    Args:
        folder: the run folder.
    """

    def __init__(self, *, folder: RunFolder) -> None:
        self.path = folder.path / "csv" / "metrics.csv"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.columns: list[str] = []
        # metrics.jsonl has every row of the run, without those past the checkpoint that a resumed run starts from.
        rows = [_row(record) for record in folder.records()]
        self.path.unlink(missing_ok=True)
        if rows:
            self._write_all(rows)

    def record(self, values: Mapping[str, float], clock: Clock) -> None:
        """Add a row; it is on disk when this returns, and no part of it is where the disk refuses.

        Raises:
            OSError, GanLabError: if the disk refuses.
        """
        row = _row({**clock.counters(), **values})
        if row.keys() <= set(self.columns):
            append_whole(self.path, _text(self.columns, [row]).encode())
        else:
            self._write_all([*self._rows(), row])

    def received(self, values: Mapping[str, float], clock: Clock) -> bool:
        """Whether the table's last row is this record, read from the file."""
        wanted = {key: str(v) for key, v in _row({**clock.counters(), **values}).items()}
        rows = self._rows()
        return bool(rows) and wanted.items() <= rows[-1].items()

    def picture(self, key: str, path: Path, clock: Clock) -> None:
        """Pictures lie in the run folder already."""

    def close(self, exit_code: int) -> None:
        """Everything is written."""

    def _rows(self) -> list[dict[str, str]]:
        if not self.path.is_file():
            return []
        with self.path.open(newline="") as file:
            return list(csv.DictReader(file))

    def _write_all(self, rows: Sequence[Row]) -> None:
        """Write the table anew, since its head changes."""
        columns = sorted(set().union(*rows))
        write_whole(self.path, _text(columns, [dict(zip(columns, columns, strict=True)), *rows]))
        self.columns = columns


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    row = {k: v for k, v in record.items() if v is None or isinstance(v, int | float)}
    return {**row, "step": record["images_seen"]}


def _text(columns: Sequence[str], rows: Sequence[Row]) -> str:
    text = io.StringIO(newline="")
    csv.DictWriter(text, fieldnames=columns).writerows(rows)
    return text.getvalue()
