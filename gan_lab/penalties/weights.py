"""Constraints on weights, applied after an update."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from gan_lab.common.ranges import in_range


class WeightClipping:
    """Every parameter is clamped to [-bound, bound] after each update of the discriminator.

    Wasserstein GAN, arXiv:1701.07875, algorithm 1, line 7. As in the authors' code, biases and
    the gains of norms are clamped too.

    Args:
        bound: the paper's c, > 0.
    """

    player = "discriminator"
    lipschitz = True

    def __init__(self, *, bound: float = 0.01) -> None:
        in_range("bound", bound, above=0)
        self.bound = bound

    @torch.no_grad()
    def project(self, parameters: Iterable[Tensor]) -> None:
        """Clamp the parameters in place."""
        tensors = list(parameters)
        if tensors:
            torch._foreach_clamp_min_(tensors, -self.bound)
            torch._foreach_clamp_max_(tensors, self.bound)
