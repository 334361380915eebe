"""An order in which every class comes equally often."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_lab.data.stream.order import Order


class BalancedOrder(Order):
    """Blocks of one row of each class, in an order of its own each; so every window is balanced but for its ends.

    An epoch is as many blocks as hold as many rows as the set has. Within an epoch a class gives each of its rows
    equally often, to one. Both are drawn from (seed, epoch) alone. A window may hold a row of a small class twice.

    Args:
        labels: class of each row, int64 (N,); rows below 0 belong to none and are left out.
        seed: any integer.
        flip: whether flags are drawn.
        device: where indices and flags are wanted.
        stream: name of one of several streams side by side.
    """

    def __init__(
        self, labels: Tensor, *, seed: int, flip: bool, device: torch.device, stream: str = ""
    ) -> None:
        known = labels[labels >= 0].unique()
        self.members = [(labels == label).nonzero()[:, 0] for label in known]
        self.blocks = -(-len(labels) // len(self.members))
        count = self.blocks * len(self.members)
        super().__init__(count, seed=seed, flip=flip, device=device, stream=stream)

    def drawn(self, epoch: int) -> Tensor:
        """The rows of an epoch (count,), int64, on the CPU."""
        generator = self.generator("balanced order", epoch)
        chosen = []
        for members in self.members:
            passes = -(-self.blocks // len(members))
            # Sorting random numbers shuffles every pass through a class in one call.
            shuffled = torch.rand(passes, len(members), generator=generator).argsort(dim=1)
            chosen.append(members[shuffled.reshape(-1)[: self.blocks]])
        places = torch.rand(self.blocks, len(chosen), generator=generator).argsort(dim=1)
        return torch.stack(chosen, dim=1).gather(1, places).reshape(-1)
