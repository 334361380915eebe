"""Memory of batches, used again once nobody can see it any more."""

from __future__ import annotations

import weakref

import numpy as np
import torch
from torch import Tensor

KEPT = 3  # idle buffers: one in use, one prefetched, one on its way


class Buffers:
    """Float tensors of one shape, whose memory comes back by itself.

    Fresh memory costs more than filling it: a batch of 128 images of 64 pixels is above the size at
    which malloc gives pages back, so the system clears 1,500 of them for every batch. A buffer
    returns when the storage is gone, which views, saved tensors and arrays of it keep alive, so
    what was handed out is never overwritten while anything can still read it.

    Args:
        shape: of every tensor.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._idle: list[np.ndarray] = []

    def take(self) -> Tensor:
        """Return a float32 tensor with arbitrary content that nothing else refers to."""
        memory = self._idle.pop() if self._idle else torch.empty(self.shape).numpy()
        lent = memory.view()
        # The tensor's storage owns `lent` and nothing else does: it dies with the last tensor.
        weakref.finalize(lent, _give_back, self._idle, memory).atexit = False
        return torch.from_numpy(lent)


def _give_back(idle: list[np.ndarray], memory: np.ndarray) -> None:
    if len(idle) < KEPT:
        idle.append(memory)
