"""Layers of the discriminator that keep the weights they begin with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range


def first_layers(network: nn.Module, count: int) -> list[str]:
    """Names of all weights before the (count + 1)-th layer with a matrix: those of `count` layers and of norms between.

    Freeze the Discriminator, arXiv:2002.10964, section 3: such layers keep their weights when a GAN moves to other
    images.

    Raises:
        ConfigError: if so many layers would leave none to move.
    """
    layers: dict[str, list[str]] = {}
    matrices = []
    for name, parameter in network.named_parameters():
        layer = (
            name.partition(".parametrizations")[0]
            if ".parametrizations" in name
            else name.rpartition(".")[0]
        )
        layers.setdefault(layer, []).append(name)
        if parameter.dim() > 1 and layer not in matrices:
            matrices.append(layer)
    if not 0 <= count < len(matrices):
        raise ConfigError(
            f"layers={count}: must lie in [0, {len(matrices) - 1}], since this discriminator has "
            f"{len(matrices)} layers and one must move."
        )
    before = list(layers)[: list(layers).index(matrices[count])] if count else []
    return [name for layer in before for name in layers[layer]]


class Freeze:
    """The first layers of the discriminator do not move: FreezeD, arXiv:2002.10964, for runs that begin with `init`.

    Args:
        layers: how many, counted by their matrices, >= 1; norms between them rest too.
    """

    player: ClassVar[str] = "discriminator"

    def __init__(self, *, layers: int = 2) -> None:
        in_range("layers", layers, low=1)
        self.layers = layers

    def resting(self, network: nn.Module) -> list[str]:
        """Names of the weights that rest."""
        return first_layers(network, self.layers)

    def project(self, parameters: Iterable[Tensor]) -> None:
        """Nothing: the others move freely."""
