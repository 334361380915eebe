"""Plays of sequences of tokens against sequences of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from gan_lab.engine.play import Play, lazy
from gan_lab.networks.output import DiscriminatorOutput
from gan_lab.networks.text.rollouts import action_values, numbers_of


class TextPlay(Play):
    """Reals, fakes, the discriminator's view of both, and what each token of a fake is worth."""

    @lazy
    def real(self) -> Tensor:
        """Tokens of the reals, int64 (N, L)."""
        return self.batch["tokens"]

    @lazy
    def fake(self) -> Tensor:
        """Tokens that the generator writes, int64 (N, L); no gradient passes through them."""
        written: Tensor = self.game.generator.sample(self.uniform("tokens", self.real.shape))
        return written

    @lazy
    def on_real(self) -> DiscriminatorOutput:
        """The discriminator on the reals."""
        return self.judge(self.real)

    @lazy
    def on_fake(self) -> DiscriminatorOutput:
        """The discriminator on the fakes."""
        return self.judge(self.fake)

    def judge(self, tokens: Tensor) -> DiscriminatorOutput:
        """The discriminator on any tokens."""
        output: DiscriminatorOutput = self.game.discriminator(tokens)
        return output

    @lazy
    def values(self) -> Tensor:
        """What each token of the fakes is worth (N, L), in [0, 1]: the mean reward of sequences that go on from it."""
        shape = (self.size, self.game.rollouts, numbers_of(self.fake.shape[1]))
        numbers = self.uniform("rollouts", shape)
        with at_rest(self.game.discriminator):
            return action_values(self.game.generator, self.reward, self.fake, uniforms=numbers)

    def reward(self, tokens: Tensor) -> Tensor:
        """The discriminator's probability (M,) that tokens (M, L) are real."""
        return torch.sigmoid(self.judge(tokens).logits.float())

    def observe(self) -> Mapping[str, Tensor]:
        """Logits in the discriminator's step; the reward of whole fakes in the policy's."""
        if self.step.player == "discriminator":
            return {"logits/real": self.on_real.logits, "logits/fake": self.on_fake.logits}
        return {"reward": self.values[:, -1]} if "policy" in self.step.terms else {}


class RelaxedPlay(TextPlay):
    """Fakes are relaxed tokens, through which gradients pass from the discriminator to the generator."""

    @lazy
    def fake(self) -> Tensor:
        """Relaxed tokens float32 (N, L, vocab_size), each a mixture that sums to 1."""
        game = self.game
        written: Tensor = game.generator.relaxed(
            self.uniform("tokens", (*self.real.shape, game.generator.vocab_size)),
            temperature=game.temperature_now,
            straight_through=game.straight_through,
        )
        return written


@contextmanager
def at_rest(network: nn.Module) -> Iterator[None]:
    """A network without dropout: a reward is no chance."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
