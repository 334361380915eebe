"""Exponential moving average of a player's networks, with a half-life in images.

Analyzing and Improving the Image Quality of StyleGAN, arXiv:1912.04958: decay = 0.5^(images / half-life).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gan_lab.common.scalars import Scalar
from gan_lab.engine.clock import KIMG
from gan_lab.engine.schedule import schedule


class EMA:
    """A copy of networks that follows them after each update of their player.

    Floating-point parameters and buffers are averaged; integer buffers (counters) are copied.

    Args:
        networks: the networks to follow, by name.
        half_life_kimg: thousands of images after which an old weight counts half, or a schedule; 0 copies.
        rampup: the half-life is at most this share of the images seen so far, so that the
            first random weights are soon forgotten; 0 switches the ramp off.
    """

    def __init__(
        self, networks: Mapping[str, nn.Module], *, half_life_kimg: Scalar, rampup: float
    ) -> None:
        self.networks = {name: _frozen_copy(network) for name, network in networks.items()}
        self.half_life_kimg = schedule(half_life_kimg, "ema.half_life_kimg")
        self.rampup = rampup
        self._pair(networks)

    def _pair(self, networks: Mapping[str, nn.Module]) -> None:
        # Tensors are paired once: walking module trees every round costs more than the average.
        self.averages: list[Tensor] = []
        self.sources: list[Tensor] = []
        self.copies: list[tuple[Tensor, Tensor]] = []
        for name, network in networks.items():
            mine = self.networks[name]
            targets: list[Tensor] = [*mine.parameters(), *mine.buffers()]
            sources: list[Tensor] = [*network.parameters(), *network.buffers()]
            for target, source in zip(targets, sources, strict=True):
                if target.is_floating_point():
                    self.averages.append(target.detach())
                    self.sources.append(source.detach())
                else:
                    self.copies.append((target, source))

    def decay(self, images: int, images_seen: int) -> float:
        """Weight kept after `images` more, of `images_seen` in all."""
        half_life = self.half_life_kimg.at(images_seen) * KIMG
        if self.rampup > 0:
            half_life = min(half_life, images_seen * self.rampup)
        return 0.5 ** (images / half_life) if half_life > 0 else 0.0

    @torch.no_grad()
    def update(self, weight: float | Tensor) -> None:
        """Move towards the networks: average += weight * (network - average), weight being 1 - decay."""
        if isinstance(weight, Tensor):  # for which there is no foreach lerp
            distances = torch._foreach_sub(self.sources, self.averages)
            torch._foreach_mul_(distances, weight)
            torch._foreach_add_(self.averages, distances)
        else:
            torch._foreach_lerp_(self.averages, self.sources, weight)
        for target, source in self.copies:
            target.copy_(source)

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """The averaged networks' state, by network."""
        return {name: network.state_dict() for name, network in self.networks.items()}

    def load_state_dict(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Restore what state_dict returned."""
        for name, network in self.networks.items():
            network.load_state_dict(dict(state[name]))


def _frozen_copy(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network).eval().requires_grad_(False)
