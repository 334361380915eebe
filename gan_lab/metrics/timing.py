"""How long many images will take, from few."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

FEW = 4  # Inception on a CPU takes a second for these
QUICK_SECONDS = 1.0


def seconds_per_image(work: Callable[[int], Tensor], whole: int) -> float:
    """Time `work` on few images and, where that is quick, on a whole batch.

    Args:
        work: processes that many images on any device.
        whole: images of a whole batch, at least 1.
    """
    count = min(FEW, whole)
    seconds = _timed(work, count)
    if count < whole and seconds / count * whole < QUICK_SECONDS:
        count = whole
        seconds = _timed(work, count)
    return seconds / count


def _timed(work: Callable[[int], Tensor], count: int) -> float:
    work(count)  # warm-up
    start = time.perf_counter()
    result = work(count)
    if result.is_cuda:
        torch.cuda.synchronize(result.device)
    return time.perf_counter() - start
