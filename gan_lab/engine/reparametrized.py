"""Weights that are functions of parameters, such as spectral norm's, computed once per step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn
from torch.nn.utils import parametrize


class Reparametrized:
    """The parametrized modules of some networks.

    A step calls its discriminator two or three times, and each call would compute the weights anew: for spectral norm
    that is more kernels than the network itself has.

    Args:
        networks: all of a game's.
        device: where they lie.
    """

    def __init__(self, networks: Iterable[nn.Module], device: torch.device) -> None:
        self.device = device
        self.modules = [
            module
            for network in networks
            for module in network.modules()
            if parametrize.is_parametrized(module)
        ]

    def computed_once(self, *, first: bool) -> AbstractContextManager[None]:
        """Compute every such weight at the beginning of a block, in float32, and keep it until its end.

        Args:
            first: whether this is the step's first micro-batch. In later ones power iterations rest, so that
                accumulation changes nothing; those of networks that do not move rest always.
        """
        return self._computed_once(first) if self.modules else nullcontext()

    @contextmanager
    def _computed_once(self, first: bool) -> Iterator[None]:
        with parametrize.cached():
            with torch.autocast(self.device.type, enabled=False):
                _compute(self.modules, first)
            yield


def _compute(modules: Iterable[nn.Module], first: bool) -> None:
    for module in modules:
        for name, functions in module.parametrizations.items():  # type: ignore[operator,union-attr]
            moves = any(p.requires_grad for p in functions.parameters(recurse=False))
            functions.train(first and moves)
            getattr(module, name)
