"""Values of the last rounds, kept on the device and read once per logging interval."""

from __future__ import annotations

import torch
from torch import Tensor


class Meter:
    """Collects detached tensors without an operation on the device; `read` averages and synchronises once."""

    def __init__(self) -> None:
        self.values: dict[str, list[Tensor]] = {}

    def add(self, name: str, value: Tensor) -> None:
        """Keep a tensor of any shape; its mean enters the interval's mean."""
        self.values.setdefault(name, []).append(value.detach())

    def read(self) -> dict[str, float]:
        """Means since the last read, by name; empties the meter."""
        if not self.values:
            return {}
        means = [
            torch.stack([v.float().mean() for v in list_]).mean() for list_ in self.values.values()
        ]
        result = dict(zip(self.values, torch.stack(means).tolist(), strict=True))
        self.values = {}
        return result
