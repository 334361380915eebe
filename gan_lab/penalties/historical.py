"""Historical averaging: weights shall stay near the mean of those that they had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gan_lab.common.ranges import in_range, one_of
from gan_lab.common.scalars import Scalar


class HistoricalAveraging(nn.Module):
    """|| w - mean of w over all updates so far ||^2, of one player: arXiv:1606.03498, section 3.3.

    Args:
        weight: the term's factor, >= 0, or a schedule.
        every: the term is due at every n-th update of its player, >= 1.
        player: discriminator or generator.
    """

    differentiates: ClassVar[frozenset[str]] = frozenset()
    seen: Tensor

    def __init__(
        self, *, weight: Scalar = 1.0, every: int = 1, player: str = "discriminator"
    ) -> None:
        super().__init__()
        if not isinstance(weight, Mapping):
            in_range("weight", weight, low=0)
        in_range("every", every, low=1)
        one_of("player", player, ("discriminator", "generator"))
        self.weight, self.every, self.player = weight, every, player
        self.register_buffer("seen", torch.zeros(()))
        self._weights: list[Tensor] = []

    def follow(self, network: nn.Module) -> None:
        """Take the network whose weights these are; their means become buffers."""
        self._weights = list(network.parameters())
        for index, value in enumerate(self._weights):
            self.register_buffer(f"mean_{index}", value.detach().clone())

    def means(self) -> list[Tensor]:
        """Of each weight, over the updates so far."""
        return [getattr(self, f"mean_{index}") for index in range(len(self._weights))]

    def forward(self, play: Any) -> Tensor:
        """Return the unweighted term, shape (); 0 in the first update, when nothing has moved."""
        play.note(f"historical/{self.player}", self.seen)
        pairs = zip(self._weights, self.means(), strict=True)
        return torch.stack([(w.float() - m).square().sum() for w, m in pairs]).sum()

    def commit(self, noted: Mapping[str, Tensor]) -> None:
        """Take the weights before this update into their means."""
        if f"historical/{self.player}" not in noted:
            return
        self.seen.add_(1)
        for weight, mean in zip(self._weights, self.means(), strict=True):
            mean.add_((weight.detach() - mean) / self.seen)
