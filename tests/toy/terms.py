"""Terms outside gan_lab: a generator's with buffers of its own, and one of a player that no game has."""

from __future__ import annotations

import torch
from torch import nn


class Brightness(nn.Module):
    """Holds the fakes' mean brightness near its running mean, which is a buffer."""

    player = "generator"
    differentiates = frozenset()

    def __init__(self, *, weight: float = 1.0, every: int = 1):
        super().__init__()
        self.weight, self.every = weight, every
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, play):
        brightness = play.fake.float().mean()
        self.mean.lerp_(brightness.detach(), 0.5)
        self.calls.add_(1)
        return (brightness - self.mean).square()


class Slope:
    """The generator's slope at its latents, as path length regularisation takes it; keeps a module as an attribute."""

    player = "generator"
    differentiates = frozenset({"z", "fake"})

    def __init__(self, *, weight: float = 1.0, every: int = 2):
        self.weight, self.every = weight, every
        self.norm = nn.BatchNorm1d(1)

    def __call__(self, play):
        (slope,) = torch.autograd.grad(play.fake.sum(), play.z, create_graph=True)
        return self.norm(slope.square().sum(1, keepdim=True)).square().mean()


class Lost(Brightness):
    """Belongs to nobody."""

    player = "critic"
