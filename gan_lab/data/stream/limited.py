"""A few rows of a set, as training on few images has them."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import torch

from gan_lab.common.errors import ConfigError
from gan_lab.data.stream.order import Order
from gan_lab.data.table import SideBySide, Table


def few_rows(table: Table | SideBySide, number: int, *, seed: int) -> Table | SideBySide:
    """The set with `number` rows, drawn from the seed; fewer ones are part of more. Of sets side by side, of each.

    Args:
        table: any set.
        number: rows that are kept, >= 1.
        seed: any integer.

    Raises:
        ConfigError: if the set has fewer.
    """
    if isinstance(table, SideBySide):
        tables = {name: _few(one, number, seed=seed) for name, one in table.tables.items()}
        return replace(table, tables=tables)
    return _few(table, number, seed=seed)


def _few(table: Table, number: int, *, seed: int) -> Table:
    if number > len(table):
        raise ConfigError(
            f"data.limit={number}: data={table.name} ({table.split}) has {len(table):,} {table.records} alone."
        )
    order = Order(len(table), seed=seed, flip=False, device=torch.device("cpu"))
    rows = torch.randperm(len(table), generator=order.generator("limit", 0))[:number]
    told = f"data.limit: {number:,} of {len(table):,} {table.records}, drawn by seed={seed}."
    digest = hashlib.sha256(f"{table.fingerprint} {rows.tolist()}".encode())
    return table.of_rows(rows, digest.hexdigest()[:16], (*table.notes, told))
