"""A term with a state, and a game with phases that carries images from one step to the next; outside gan_lab."""

from __future__ import annotations

import torch
from torch import nn

from gan_lab.engine.phases import Phase
from gan_lab.engine.step import Step, Term
from gan_lab.games.gan import GAN

DECAY = 0.1


class PathLength(nn.Module):
    """Path length regularisation (arXiv:1912.04958, section 3.2): a running mean of the lengths is its state."""

    player = "generator"
    differentiates = frozenset({"z", "fake"})

    def __init__(self, *, weight: float = 1.0, every: int = 1):
        super().__init__()
        self.weight, self.every = weight, every
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("moves", torch.zeros((), dtype=torch.long))

    def forward(self, play):
        noise = play.normal("path_length", tuple(play.fake.shape))
        (slope,) = torch.autograd.grad((play.fake * noise).sum(), play.z, create_graph=True)
        lengths = torch.linalg.vector_norm(slope, dim=1)
        play.note("path_length", lengths.mean())
        return (lengths - self.mean).square().mean()

    def commit(self, noted):
        if "path_length" in noted:
            self.mean.lerp_(noted["path_length"], DECAY)
            self.moves.add_(1)


class Growing(GAN):
    """A first phase of the generator alone, which only matches the reals' mean; then the game, carrying the fakes."""

    def phases(self):
        alone = Step("generator", {"mean": Term(self.mean)})
        carrying = Step("discriminator", {"adversarial": Term(self.carrying)})
        later = Step(
            "generator", {"adversarial": Term(self._generator_loss), "carried": Term(self.drift)}
        )
        return [
            Phase([alone], kimg=0.048, name="alone", setting={"level": 1}),
            Phase([carrying, later], name="game", setting={"level": 2}),
        ]

    def mean(self, play):
        assert play.phase.setting["level"] == 1
        # Of each sample by itself, so that micro-batches change nothing.
        return (play.fake.flatten(1).mean(1) - play.real.flatten(1).mean(1)).square().mean()

    def carrying(self, play):
        assert play.phase.setting["level"] == 2
        play.carry("fake", play.fake)
        return self._discriminator_loss(play)

    def drift(self, play):
        return (play.fake - play.carried("fake")).square().mean()


class Phased(GAN):
    """The game with small batches at first."""

    def phases(self):
        steps = self.steps()
        return [
            Phase(steps, kimg=0.024, name="small", batch_size=8),
            Phase(steps, name="usual"),
        ]
