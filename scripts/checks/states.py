"""The content of checkpoints, compared value by value; the tests of resuming use it too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every tensor and value of nested containers with its path."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, f"{path}/{key}")
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from leaves(value, f"{path}/{index}")
    else:
        yield path, node


def same(one: Any, other: Any) -> bool:
    """Equal bit for bit."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return bool(one == other)


def equal(one: Any, other: Any) -> bool:
    """Whether all keys, values and tensors are the same, bit for bit."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return same(one, other)
