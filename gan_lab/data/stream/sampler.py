"""The endless stream of training batches: a pure function of the seed and the images seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from gan_lab.common.errors import ConfigError, DataError
from gan_lab.data.stream.ahead import Sender, ahead
from gan_lab.data.stream.balanced import BalancedOrder
from gan_lab.data.stream.jitter import Corners, jittered
from gan_lab.data.stream.order import Order
from gan_lab.data.stream.placing import on_device
from gan_lab.data.table import SideBySide, Table

BLOCK = 8  # batches made at once from a set on a GPU: their kernels are launched once for all
BLOCK_BYTES = 32 * 2**20  # and the most such a block may take as floats


def check_enough(table: Table, batch_size: int) -> None:
    """Raise DataError if a batch would hold a row twice."""
    if len(table) < batch_size:
        raise DataError(
            f"data={table.name}: {len(table):,} {table.records} are fewer than one batch of {batch_size:,}; "
            f"add {table.records} or set data.batch_size={fitting_batch(table, batch_size)}."
        )


def fitting_batch(table: Table | SideBySide, wanted: int, *, parts: int = 1) -> int:
    """The batch size for a set: the wanted one, or the largest that holds no row twice.

    Args:
        table: the set; of several streams the smallest counts.
        wanted: rows per batch.
        parts: into which a batch is divided; a smaller one is a power of two times as many.

    Raises:
        DataError: if there are fewer rows than parts.
    """
    count = len(table)
    if count >= wanted:
        return wanted
    if count < parts:
        raise DataError(
            f"data={table.name}: {count:,} {table.records} are fewer than the {parts} parts of a batch; "
            f"add {table.records}, or lower strategy.devices or accumulate."
        )
    return parts << (count // parts).bit_length() - 1


class _Request(NamedTuple):
    begin: int
    rows: int
    gathered: Mapping[str, Tensor]  # rows of each column, to be filled
    mirrored: Tensor | None  # bool (n,), to be filled


class Batches:
    """Endless batches of a set, shuffled anew each time it was seen once.

    Epoch e is the stream's rows e*N .. (e+1)*N-1: a permutation and a choice of mirrored images,
    both drawn from (seed, e) alone. A batch is a window of the stream, which may cross from one
    epoch into the next, so no row is left over, and starting at an image count continues exactly
    there. Rank r takes the r-th slice of each window.

    Every iterator yields the columns of the set by name, as networks read them: {"images": float32
    (n, C, H, W) in [-1, 1]}, and "labels", int64 (n,), if the set has them. A batch stays as it is
    for as long as anything refers to it.

    Args:
        table: the set.
        batch_size: images per batch over all ranks.
        seed: any integer.
        flip: mirror half of the images, left to right.
        start: images seen already.
        rank: this process.
        ranks: number of processes; must divide the batch size.
        device: where batches are wanted.
        place: where the set lives: "cpu", "cuda", or "auto" for a GPU with ample room. On a GPU it
            lies as bytes, moved there once; else a thread gathers the next batch meanwhile.
        stream: name of one of several streams side by side; it is behind every name in a batch.
        balance: every class equally often, instead of every row once.
        sizes: images in the batch that begins after so many images seen, where not all batches are of one size.
        jitter: images are made larger by this factor >= 1, and cut to their size again at random places.

    Raises:
        ConfigError: if the batch does not divide among the ranks, or the place cannot be had.
        DataError: if the set is smaller than one batch.

    Example:
        >>> import torch
        >>> from gan_lab.data.sets.fashion_mini import FashionMini
        >>> images, cpu = FashionMini().load("train"), torch.device("cpu")
        >>> batches = Batches(images, batch_size=64, seed=0, flip=False, device=cpu)
        >>> next(iter(batches))["images"].shape
        torch.Size([64, 1, 32, 32])
    """

    def __init__(
        self,
        table: Table,
        *,
        batch_size: int,
        seed: int,
        flip: bool,
        start: int = 0,
        rank: int = 0,
        ranks: int = 1,
        device: torch.device,
        place: str = "auto",
        stream: str = "",
        balance: bool = False,
        sizes: Callable[[int], int] | None = None,
        jitter: float = 1.0,
    ) -> None:
        check_enough(table, batch_size)
        if batch_size % ranks:
            fitting = max(batch_size // ranks, 1) * ranks
            raise ConfigError(
                f"data.batch_size={batch_size}: not a multiple of the {ranks} processes; "
                f"use {fitting} or {fitting + ranks}."
            )
        self.batch_size = batch_size
        self.sizes, self.jitter = sizes, jitter
        self.seed = seed
        self.flip = flip
        self.start = start
        self.rank = rank
        self.ranks = ranks
        self.device = torch.device(device)
        self.resident = on_device(table, self.device, place)
        home = self.device if self.resident else torch.device("cpu")
        self.stream = stream
        self.labels = _classes(table) if balance else None
        behind = f"_{stream}" if stream else ""
        self.columns = {f"{name}{behind}": c.to(home) for name, c in table.columns.items()}
        self.size = len(table)
        self.home = home

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """Yield batches for ever, beginning at `start`; iterators share nothing that changes."""
        if self.jitter == 1:
            return self._made()
        corners = Corners(
            self.size, seed=self.seed, flip=False, device=self.home, stream=self.stream
        )
        between = {name: column.between for name, column in self.columns.items() if column.between}
        return jittered(self._made(), self._windows(), corners, between=between, jitter=self.jitter)

    def _made(self) -> Iterator[dict[str, Tensor]]:
        """The batches as they are stored, but for mirrored images."""
        if self.resident:
            return self._from_device()
        return self._on_host() if self.device.type == "cpu" else self._sent()

    def _on_host(self) -> Iterator[dict[str, Tensor]]:
        """The CPU gathers, mirrors and scales."""
        order = self._order()
        made_for = 0
        for begin, count in self._windows():
            if count != made_for:
                readers = {name: column.reader(count) for name, column in self.columns.items()}
                made_for = count
            rows, mirrored = order.window(begin, count)
            yield {name: read(rows, mirrored) for name, read in readers.items()}

    def _sent(self) -> Iterator[dict[str, Tensor]]:
        """A thread gathers bytes, one batch ahead; the device mirrors and scales."""
        order, sender = self._order(), Sender(self.device)
        stored = {name: column.values for name, column in self.columns.items()}

        def request(window: tuple[int, int]) -> _Request:
            begin, count = window
            gathered = {
                name: sender.empty((count, *values.shape[1:]), values.dtype)
                for name, values in stored.items()
            }
            mirrored = sender.empty((count,), torch.bool) if self.flip else None
            return _Request(begin, count, gathered, mirrored)

        def gather(wanted: _Request) -> _Request:
            rows, mirrored = order.window(wanted.begin, wanted.rows)
            for name, values in stored.items():
                torch.index_select(values, 0, rows, out=wanted.gathered[name])
            if wanted.mirrored is not None and mirrored is not None:
                wanted.mirrored.copy_(mirrored)
            return wanted

        for part in ahead(gather, map(request, self._windows())):
            flags = [] if part.mirrored is None else [part.mirrored]
            sent = sender.send([*part.gathered.values(), *flags])
            mirrored = sent.pop() if flags else None
            yield self._finished(dict(zip(self.columns, sent, strict=True)), mirrored)

    def _from_device(self) -> Iterator[dict[str, Tensor]]:
        """The device does everything, several batches at once."""
        order, position = self._order(), self.start
        each = 4 * sum(column.values[0].numel() for column in self.columns.values())
        while True:
            size = self._size(position)
            count = size // self.ranks
            block = max(1, min(BLOCK, BLOCK_BYTES // (each * count))) if self.sizes is None else 1
            shape = (block, self.ranks, count)
            rows, mirrored = order.window(position, block * size)
            rows = rows.view(shape)[:, self.rank].reshape(-1)
            if mirrored is not None:
                mirrored = mirrored.view(shape)[:, self.rank].reshape(-1)
            gathered = {
                name: torch.index_select(column.values, 0, rows)
                for name, column in self.columns.items()
            }
            whole = self._finished(gathered, mirrored)
            for begin in range(0, block * count, count):
                yield {name: values[begin : begin + count] for name, values in whole.items()}
            position += block * size

    def _size(self, position: int) -> int:
        """Images in the batch that begins after so many, over all ranks."""
        return self.batch_size if self.sizes is None else self.sizes(position)

    def _windows(self) -> Iterator[tuple[int, int]]:
        """Where this rank's part of each batch begins in the stream, and its images."""
        position = self.start
        while True:
            size = self._size(position)
            count = size // self.ranks
            yield position + self.rank * count, count
            position += size

    def _finished(
        self, gathered: Mapping[str, Tensor], mirrored: Tensor | None
    ) -> dict[str, Tensor]:
        return {
            name: self.columns[name].finished(values, mirrored) for name, values in gathered.items()
        }

    def _order(self) -> Order:
        if self.labels is not None:
            return BalancedOrder(
                self.labels, seed=self.seed, flip=self.flip, device=self.home, stream=self.stream
            )
        return Order(
            self.size, seed=self.seed, flip=self.flip, device=self.home, stream=self.stream
        )


def _classes(table: Table) -> Tensor:
    """The classes to balance.

    Raises:
        ConfigError: where a table has none, or several labels for a row.
    """
    column = table.columns.get("labels")
    if column is None or column.values.ndim != 1:
        raise ConfigError(
            f"data.balance=true: data={table.name} has no classes, one for each row; set data.balance=false."
        )
    return column.values
