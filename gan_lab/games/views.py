"""Which of several images of one sample is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def viewed(views: Mapping[str, Tensor], names: Sequence[str], asked_for: Tensor) -> Tensor:
    """Images (N, C, H, W), float32: of each row the view that is asked for.

    Args:
        views: each (N, C, H, W), by name.
        names: of the views, in the order of their numbers.
        asked_for: those numbers, int64 (N,).
    """
    every = torch.stack([views[name].float() for name in names], dim=1)
    return every[torch.arange(len(every), device=every.device), asked_for]
