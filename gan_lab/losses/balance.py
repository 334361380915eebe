"""BEGAN: an energy's weight on fakes that keeps both players in balance."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from gan_lab.common.ranges import in_range
from gan_lab.losses.adversarial import Loss, wasserstein_generator

OF_REALS, OF_FAKES = "began/real", "began/fake"  # names of the noted energies


class Balance(nn.Module):
    """The number k in [0, 1] by which fakes count, 0 at first.

    After each update of the discriminator k grows by rate * (gamma L(x) - L(G(z))), arXiv:1703.10717, section 3.3.

    Args:
        gamma: the share of the reals' energy at which fakes are held.
        rate: the paper's lambda_k.
    """

    k: Tensor

    def __init__(self, *, gamma: float, rate: float) -> None:
        super().__init__()
        self.gamma = gamma
        self.rate = rate
        self.register_buffer("k", torch.zeros(()))

    def commit(self, notes: Mapping[str, Tensor]) -> None:
        """Move k once, by the energies of the whole batch."""
        if OF_REALS in notes:
            step = self.rate * (self.gamma * notes[OF_REALS] - notes[OF_FAKES])
            self.k.add_(step).clamp_(0, 1)


class BoundaryEquilibrium(Loss):
    """Boundary equilibrium: BEGAN, arXiv:1703.10717, section 3.3, with the energy, minus the logit, as L.

    The discriminator minimises L(x) - k L(G(z)), the generator L(G(z)). `Balance` moves k, so that L(G(z)) is held at
    gamma L(x). Departure: its L(G(z)) is that of the discriminator's own fakes, with whose update k moves.

    Args:
        gamma: the share of the reals' energy at which fakes are held, (0, 1]; lower is sharper and less diverse.
        rate: how fast k moves, >= 0; the paper's lambda_k.
    """

    energy = True

    def __init__(self, *, gamma: float = 0.5, rate: float = 0.001) -> None:
        in_range("gamma", gamma, above=0, high=1)
        in_range("rate", rate, low=0)
        self.balance = Balance(gamma=gamma, rate=rate)

    @override
    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return self.balance.k * fake.float().mean() - real.float().mean()

    @override
    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return wasserstein_generator(fake)

    @override
    def notes(self, real: Tensor, fake: Tensor) -> Mapping[str, Tensor]:
        return {OF_REALS: -real.float().mean(), OF_FAKES: -fake.float().mean()}

    @override
    @torch.no_grad()
    def measures(self, real: Tensor, fake: Tensor) -> Mapping[str, Tensor]:
        """The convergence L(x) + |gamma L(x) - L(G(z))| of section 3.4, lower is better, and k as it was."""
        reals, fakes = self.notes(real, fake).values()
        distance = (self.balance.gamma * reals - fakes).abs()
        return {"convergence": reals + distance, "k": self.balance.k.clone()}
