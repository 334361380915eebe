"""Values of the last rounds, kept on the device and read when somebody wants to see them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice

import torch
from torch import Tensor

from gan_lab.engine.exchange import average

Values = dict[str, list[Tensor | tuple[Tensor, ...]]]
"""Values of some rounds by name, on the device; a tuple has the norms of a vector's parts."""


class Meter:
    """Collects values without reading them; `read` averages them and synchronises once.

    Eagerly it keeps references, which costs no operation on the device. The values of a captured step lie in memory
    that its next replay overwrites, so for those it `accumulates` sums, as part of the captured work.
    """

    def __init__(self) -> None:
        self.values: Values = {}
        self.sums: dict[str, Tensor] = {}
        self.counts: Counter[str] = Counter()
        self.accumulates = False

    def __bool__(self) -> bool:
        """Whether anything was added since it was last read."""
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

    def add_norm(self, name: str, parts: Sequence[Tensor]) -> None:
        """Keep the norms of a vector's parts; the whole vector's norm is the value."""
        if self.accumulates:
            self.add(name, torch.linalg.vector_norm(torch.stack(list(parts))))
        else:
            self.values.setdefault(name, []).append(tuple(parts))

    def average(self, ranks: int) -> None:
        """Put the means over all ranks in the place of what was added; every rank must call it, and none captures."""
        means = torch.stack([_numbers(values).mean() for values in self.values.values()])
        average([means], ranks)
        self.values = {name: [mean] for name, mean in zip(self.values, means.unbind(), strict=True)}

    def clear(self) -> None:
        """Forget everything since it was last read."""
        self.values = {}
        self.counts.clear()
        if self.sums:
            torch._foreach_zero_(list(self.sums.values()))

    def read(self) -> dict[str, float]:
        """Means since it was last read, by name, all brought to the host at once; empties the meter."""
        # Of sums, copies: the next replay adds to the sums themselves.
        added: Values = {name: [self.sums[name] / count] for name, count in self.counts.items()}
        kept: Values = {**self.values, **added}
        self.clear()
        if not kept:
            return {}
        numbers = iter(torch.cat([_numbers(values) for values in kept.values()]).tolist())
        return {name: _mean(numbers, len(values)) for name, values in kept.items()}


def _mean(numbers: Iterator[float], count: int) -> float:
    """Of the next so many numbers."""
    return next(numbers) if count == 1 else sum(islice(numbers, count)) / count


def _numbers(kept: list[Tensor | tuple[Tensor, ...]]) -> Tensor:
    """One float32 number for each value, on the device."""
    parts = [value if isinstance(value, tuple) else (value,) for value in kept]
    if len({tuple(part.shape for part in value) for value in parts}) > 1:
        return torch.cat([_numbers([value]) for value in kept])
    whole = torch.stack(list(chain.from_iterable(parts))).reshape(len(kept), -1)
    if isinstance(kept[0], tuple):
        return torch.linalg.vector_norm(whole, dim=1).float()
    return whole.mean(1, dtype=torch.float32)
