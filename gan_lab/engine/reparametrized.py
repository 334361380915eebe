"""Weights that are functions of parameters, such as spectral norm's, computed once per step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.utils import parametrize


class Reparametrized:
    """The parametrized modules of some networks.

    A step calls its discriminator two or three times, and each call would compute the weights anew: for spectral norm
    that is more kernels than the network itself has.

    Args:
        networks: all of a game's.
    """

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        self.modules = [
            module
            for network in networks
            for module in network.modules()
            if parametrize.is_parametrized(module)
        ]

    @contextmanager
    def computed_once(self, device: torch.device, *, first: bool) -> Iterator[None]:
        """Compute every such weight now, in float32, and keep it until the end of the block.

        Args:
            device: where they lie.
            first: whether this is the step's first micro-batch. In later ones power iterations rest, so that
                accumulation changes nothing; those of networks that do not move rest always.
        """
        if not self.modules:
            yield
            return
        with parametrize.cached():
            with torch.autocast(device.type, enabled=False):
                for module in self.modules:
                    for name, functions in module.parametrizations.items():  # type: ignore[operator,union-attr]
                        moves = any(p.requires_grad for p in functions.parameters(recurse=False))
                        functions.train(first and moves)
                        getattr(module, name)
            yield
