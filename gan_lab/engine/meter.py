"""Values of the last rounds, kept on the device and read once per logging interval."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import torch
from torch import Tensor

FEW = 16  # numbers of the CPU that are read faster one by one than stacked


class Meter:
    """Collects values without reading them; `read` averages and synchronises once.

    Eagerly it keeps references, which costs no operation on the device. The values of a captured step lie in memory
    that its next replay overwrites, so for those it `accumulates` sums, as part of the captured work.
    """

    def __init__(self) -> None:
        self.values: dict[str, list[Tensor]] = {}
        self.sums: dict[str, Tensor] = {}
        self.counts: Counter[str] = Counter()
        self.accumulates = False

    def __bool__(self) -> bool:
        """Whether anything was added since the last read."""
        return bool(self.values) or self.counts.total() > 0

    def add(self, name: str, value: Tensor) -> None:
        """Keep a tensor of any shape; its mean enters the interval's mean."""
        if not self.accumulates:
            self.values.setdefault(name, []).append(value.detach())
            return
        if name not in self.sums:
            self.sums[name] = torch.zeros((), dtype=torch.float32, device=value.device)
        self.sums[name].add_(value.detach().float().mean())
        self.counts[name] += 1

    def mark(self) -> tuple[dict[str, int], Counter[str]]:
        """How much was added so far, for `back_to`."""
        return {name: len(kept) for name, kept in self.values.items()}, self.counts.copy()

    def back_to(self, mark: tuple[dict[str, int], Counter[str]]) -> None:
        """Forget what was added since; sums are their owner's to put back."""
        lengths, self.counts = mark
        self.values = {name: self.values[name][:length] for name, length in lengths.items()}

    def clear(self) -> None:
        """Forget everything since the last read."""
        self.values = {}
        self.counts.clear()
        if self.sums:
            torch._foreach_zero_(list(self.sums.values()))

    def read(self) -> dict[str, float]:
        """Means since the last read, by name; empties the meter."""
        if not self:
            return {}
        # One number for each value, or for all values of a name where they are tensors of one shape.
        numbers: list[Tensor] = []
        parts: dict[str, int] = {}
        for name, kept in self.values.items():
            if kept[0].dim():
                whole = kept[0] if len(kept) == 1 else torch.stack(kept)
                kept = [whole.mean(dtype=torch.float32)]
            numbers += kept
            parts[name] = len(kept)
        for name, count in self.counts.items():
            numbers.append(self.sums[name] / count)
            parts[name] = 1
        few = len(numbers) <= FEW and numbers[0].is_cpu
        read = iter([n.item() for n in numbers] if few else torch.stack(numbers).tolist())
        result = {name: sum(islice(read, count)) / count for name, count in parts.items()}
        self.clear()
        return result
