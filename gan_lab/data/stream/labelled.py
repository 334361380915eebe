"""Labels for a few rows only, as semi-supervised training has them."""

from __future__ import annotations

from dataclasses import replace

import torch

from gan_lab.common.errors import ConfigError
from gan_lab.data.image_set import ImageSet
from gan_lab.data.stream.order import Order
from gan_lab.data.table import SideBySide, Table

UNKNOWN = -1


def few_labels(table: Table | SideBySide, number: int, *, seed: int) -> ImageSet:
    """The set with the labels of `number` rows; all others are UNKNOWN. The set's own labels stay as they are.

    The rows are drawn from the seed, as many of each class as can be.

    Args:
        table: a set with classes.
        number: labels that are kept, from one for each class to one for each row.
        seed: any integer.

    Raises:
        ConfigError: if the set has no classes, or the number does not fit it.
    """
    labels = table.labels if isinstance(table, ImageSet) else None
    if not isinstance(table, ImageSet) or labels is None or labels.ndim != 1:
        raise ConfigError(
            f"data.labelled={number}: data={table.name} has no classes, one for each row; set data.labelled=null."
        )
    classes = labels[labels >= 0].unique()
    if not len(classes) <= number <= len(labels):
        raise ConfigError(
            f"data.labelled={number}: data={table.name} has {len(classes):,} classes and {len(labels):,} images; "
            "the number must be between them."
        )
    order = Order(len(labels), seed=seed, flip=False, device=torch.device("cpu"))
    shuffled = torch.randperm(len(labels), generator=order.generator("labelled", 0))
    turns = torch.empty_like(labels)  # how many rows of its class come before a row
    for label in classes:
        members = shuffled[labels[shuffled] == label]
        turns[members] = torch.arange(len(members))
    turns[labels < 0] = len(labels)
    chosen = shuffled[turns[shuffled].argsort(stable=True)][:number]
    kept = torch.full_like(labels, UNKNOWN)
    kept[chosen] = labels[chosen]
    return replace(table, labels=kept)
