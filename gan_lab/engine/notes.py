"""What plays note for parts with a state, such as a running mean: it moves once for each update, whatever the parts.

A micro-batch and a rank see their share only. So a term notes numbers, the engine averages them over micro-batches and
ranks, and hands them to `commit` of every part that has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gan_lab.engine.exchange import average

Commit = Callable[[Mapping[str, Tensor]], Any]


class Notes:
    """Collects the notes of one update.

    Args:
        modules: of the game; those with a method `commit` are told.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        found = (getattr(module, "commit", None) for module in modules)
        self.commits: list[Commit] = [commit for commit in found if callable(commit)]
        self.noted: dict[str, Tensor] = {}

    def take(self, noted: Mapping[str, Tensor], parts: int) -> None:
        """Add one micro-batch's notes, of so many."""
        for name, value in noted.items():
            share = value.detach().float() / parts
            self.noted[name] = self.noted[name] + share if name in self.noted else share

    def hand_out(self, ranks: int) -> None:
        """Let the parts move their states, and forget the notes."""
        if not self.noted:
            return
        noted, self.noted = self.noted, {}
        if ranks > 1:
            average(list(noted.values()), ranks)
        with torch.no_grad():
            for commit in self.commits:
                commit(noted)
