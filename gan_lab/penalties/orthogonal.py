"""Filters of a layer shall be at right angles: a penalty on weights alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar


class Spec(Protocol):
    """The part of a player's description that is read here."""

    @property
    def name(self) -> str:
        """The player's name."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Its networks."""


class Game(Protocol):
    """The part of a game that is read here."""

    def players(self) -> Sequence[Spec]:
        """Who plays."""


class Play(Protocol):
    """The part of a play that is read here."""

    @property
    def game(self) -> Game:
        """The game."""


def filters_of(network: nn.Module) -> Iterator[Tensor]:
    """The weight of each linear and convolutional layer as a matrix (filters, inputs), as the optimizer moves it."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            weight = module.weight
            if parametrize.is_parametrized(module, "weight"):
                weight = module.parametrizations.weight.original  # type: ignore[union-attr,assignment]
            if isinstance(module, nn.ConvTranspose2d):
                weight = weight.transpose(0, 1)
            yield weight.flatten(1)


def off_diagonal(filters: Tensor) -> Tensor:
    """|| W W^T * (1 - I) ||_F^2 of a matrix W (filters, inputs), shape (), float32."""
    with torch.autocast(filters.device.type, enabled=False):
        filters = filters.float()
        # W W^T and W^T W have one norm, and the smaller of them is far smaller in a generator's first layer.
        wide = filters.shape[0] > filters.shape[1]
        gram = filters.T @ filters if wide else filters @ filters.T
        return gram.square().sum() - filters.square().sum(dim=1).square().sum()


class Orthogonal:
    """BigGAN's orthogonal regularisation of the generator's layers: arXiv:1809.11096, eq. 3.

    Inner products of different filters are pulled to 0, their lengths are left free. Embeddings and norms are left out.

    Args:
        weight: the paper's beta, >= 0, or a schedule.
        every: the term is due at every n-th update of the generator, >= 1.
    """

    player: ClassVar[str] = "generator"
    differentiates: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, *, weight: Scalar = 1e-4, every: int = 1) -> None:
        if not isinstance(weight, Mapping):
            in_range("weight", weight, low=0)
        in_range("every", every, low=1)
        self.weight = weight
        self.every = every

    def __call__(self, play: Play) -> Tensor:
        """Return the unweighted penalty, shape ()."""
        mine = (spec.networks for spec in play.game.players() if spec.name == self.player)
        networks = [network for named in mine for network in named.values()]
        return torch.stack([off_diagonal(w) for n in networks for w in filters_of(n)]).sum()
