"""Copies of everything that an update may change, to compare two ways of doing it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

Kinds = Mapping[str, Sequence[Tensor]]


class Snapshot:
    """The tensors of `state` as they are now, with the default generator of their device.

    Args:
        state: lists the tensors by kind; asked again when they are put back.
        device: where they lie.
    """

    def __init__(self, state: Callable[[], Kinds], device: torch.device) -> None:
        self.state = state
        self.device = device
        self.kinds: Kinds = {
            kind: [tensor.detach().clone() for tensor in tensors]
            for kind, tensors in state().items()
        }
        cuda = device.type == "cuda"
        self.random = torch.cuda.get_rng_state(device) if cuda else torch.get_rng_state()

    @torch.no_grad()
    def put_back(self) -> None:
        """Undo what happened since."""
        for kind, tensors in self.state().items():
            for tensor, value in zip(tensors, self.kinds[kind], strict=True):
                tensor.copy_(value)
        self.put_back_random()

    def put_back_random(self) -> None:
        """Undo draws from the default generator alone."""
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(self.random, self.device)
        else:
            torch.set_rng_state(self.random)
