"""A split of a data set as records of named values, whatever they are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from gan_lab.data.columns import Column


class Table:
    """Named columns that share their rows; a batch has the same names.

    Attributes:
        name: the data set, as in `data=celeba`.
        split: "train", "test", ...
        classes: names of the labels; empty where there are none.
        fingerprint: hash of the content, so that the same records have the same one wherever they lie.
        notes: sentences for the user.
        records: what its rows are called in sentences.
    """

    name: str
    split: str
    classes: tuple[str, ...]
    fingerprint: str
    notes: tuple[str, ...]
    records: str = "records"

    @property
    def columns(self) -> Mapping[str, Column]:
        """The columns by name."""
        raise NotImplementedError

    def of_rows(self, rows: Tensor, fingerprint: str, notes: tuple[str, ...]) -> Table:
        """The same set with these rows alone, int64 (n,)."""
        raise NotImplementedError

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return sum(column.values.nbytes for column in self.columns.values())

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.columns.values())).values)

    def sentences(self) -> list[str]:
        """Return what is to be said of the set at every start."""
        return [f"{self.name} ({self.split}): {len(self):,} {self.records}", *self.notes]


@dataclass(frozen=True, eq=False)
class SideBySide:
    """Several tables that are not paired: each is a stream with an order of its own.

    A batch holds as many rows of each. Its names are those of the columns with the stream's behind, as `images_a`.

    Attributes:
        name: the data set, as in `data=unpaired`.
        split: "train", "test", ...
        tables: by the name of their stream.
        notes: sentences for the user.
    """

    name: str
    split: str
    tables: Mapping[str, Table]
    notes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    @property
    def records(self) -> str:
        """What the rows are called in sentences."""
        return next(iter(self.tables.values())).records

    @property
    def fingerprint(self) -> str:
        """Hash of all streams."""
        told = "".join(f"{name}={table.fingerprint}\n" for name, table in self.tables.items())
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    @property
    def columns(self) -> Mapping[str, Column]:
        """All columns under the names that they have in a batch; those of different streams share no rows."""
        return {
            f"{column}_{stream}": values
            for stream, table in self.tables.items()
            for column, values in table.columns.items()
        }

    @property
    def images(self) -> Tensor:
        """The images of the last stream, into which the others are translated: what grids and metrics compare with."""
        found: Tensor = getattr([*self.tables.values()][-1], "images")  # noqa: B009 - not every table has some
        return found

    def sentences(self) -> list[str]:
        """Return what is to be said of each table, and of all."""
        return [
            *(said for table in self.tables.values() for said in table.sentences()),
            *self.notes,
        ]

    def __len__(self) -> int:
        """Return the number of rows of the smallest table."""
        return min(len(table) for table in self.tables.values())
