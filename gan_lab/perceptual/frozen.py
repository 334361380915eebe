"""A network that looks at images and plays no part: it never moves, and belongs to nothing that is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn
from typing_extensions import override


class Frozen(nn.Module):
    """Holds a network out of sight of whoever lists, saves or trains modules; it follows them to their device.

    It has no parameters, so no optimizer, constraint, average or checkpoint has its weights. Batch normalisation inside
    is never in training mode. Its gradient for images is that of the network.

    Args:
        make: opens the network when it is first wanted.
    """

    def __init__(self, make: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.make = make
        self._held: tuple[
            nn.Module, ...
        ] = ()  # a tuple, since torch registers a module in an attribute
        self._device: torch.device | None = None
        self.register_load_state_dict_pre_hook(_forget)

    def open(self) -> nn.Module:
        """The network.

        Raises:
            WeightsError: if its weights cannot be had.
        """
        if not self._held:
            with torch.random.fork_rng(devices=[]):  # building draws weights that are then replaced
                self._held = (self.make().requires_grad_(False).eval(),)
        return self._held[0]

    def forward(self, images: Tensor, *how: Any) -> Any:
        """What the network makes of images."""
        network = self.open()
        if self._device != images.device:
            network.to(images.device)
            self._device = images.device
        return network(images, *how)

    @override
    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self._device = None
        for network in self._held:
            network._apply(fn, recurse)
        return super()._apply(fn, recurse)


def _forget(_: nn.Module, state: dict[str, Any], prefix: str, *__: Any) -> None:
    """Leave out weights of an older checkpoint, which had them."""
    for key in [key for key in state if key.startswith(prefix)]:
        del state[key]
