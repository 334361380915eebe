"""SeqGAN: likelihood first, then a judge, then the policy gradient against it (arXiv:1609.05473, algorithm 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar
from gan_lab.engine.asking import NOTHING, Ask
from gan_lab.engine.module import AdversarialModule
from gan_lab.engine.phases import Phase
from gan_lab.engine.player import PlayerSpec
from gan_lab.engine.randomness import numbers_of
from gan_lab.engine.schedule import schedule
from gan_lab.engine.step import Step, Term
from gan_lab.games.text import TextPlay
from gan_lab.losses.adversarial import Loss
from gan_lab.losses.policy_gradient import Baseline, negative_log_likelihood, policy_gradient
from gan_lab.networks.text.writer import Writer

PADDING = "<pad>"  # of a vocabulary: fills the end of short sequences


class SeqGAN(AdversarialModule):
    """A generator that writes tokens against a discriminator that reads them.

    Departure: one optimizer per player for all phases, where the authors' recipe begins a new one.

    Args:
        generator: writes tokens from uniform numbers, and knows their probabilities.
        discriminator: maps tokens (N, L) to a DiscriminatorOutput with logits (N,).
        loss: its discriminator's side; the generator's side is the policy gradient.
        likelihood_kimg: thousands of sequences that the generator learns to imitate first; 0 is none.
        discriminator_kimg: thousands of sequences that the discriminator learns from before the game; 0 is none.
        rollouts: sequences by which each prefix is judged, >= 1.
        baseline: subtract a running mean from the tokens' values, which the paper does not.
        n_critic: discriminator updates per generator update in the game; a number >= 1 or a schedule.
        vocabulary: what each token spells; none where tokens are numbers that mean nothing.
        level: of the tokens: char or word.
    """

    Play = TextPlay
    makes = "text"

    def __init__(
        self,
        *,
        generator: Writer,
        discriminator: nn.Module,
        loss: Loss,
        likelihood_kimg: float = 0,
        discriminator_kimg: float = 0,
        rollouts: int = 16,
        baseline: bool = False,
        n_critic: Scalar = 1,
        vocabulary: Sequence[str] = (),
        level: str = "word",
    ) -> None:
        super().__init__(n_critic=n_critic)
        in_range("likelihood_kimg", likelihood_kimg, low=0)
        in_range("discriminator_kimg", discriminator_kimg, low=0)
        in_range("rollouts", rollouts, low=1)
        self.generator = generator
        self.discriminator = discriminator
        self.adversarial = loss
        self.vocabulary = tuple(vocabulary)
        self.joint = "" if level == "char" else " "
        self.lasting = {"likelihood": likelihood_kimg, "discriminator": discriminator_kimg}
        self.rollouts = rollouts
        self.baseline = Baseline(generator.length) if baseline else None
        self.keep({"loss": loss})

    def players(self) -> Sequence[PlayerSpec]:
        """The discriminator and the generator, which an EMA follows."""
        return [
            PlayerSpec("discriminator", "discriminator", {"discriminator": self.discriminator}),
            PlayerSpec("generator", "generator", {"generator": self.generator}, averaged=True),
        ]

    def steps(self) -> Sequence[Step]:
        """Of the game itself: the discriminator's step, then the generator's."""
        return [
            Step("discriminator", {"adversarial": Term(self.discriminator_loss)}),
            Step("generator", {"policy": Term(self.policy_loss)}),
        ]

    def phases(self) -> Sequence[Phase]:
        """Likelihood, the discriminator alone, the game; those that last nothing are left out."""
        alone = {
            "likelihood": Step(
                "generator", {"likelihood": Term(self.likelihood_loss)}, label="likelihood"
            ),
            "discriminator": self.steps()[0],
        }
        before = [
            Phase(
                [alone[name]],
                kimg=kimg,
                name=name,
                intervals={"generator": schedule(1, "n_critic")},
            )
            for name, kimg in self.lasting.items()
            if kimg > 0
        ]
        return [*before, Phase(self.steps(), name="game")]

    def likelihood_loss(self, play: TextPlay) -> Tensor:
        """The generator's negative log-likelihood of the reals, in nats per token."""
        return negative_log_likelihood(self.generator.log_likelihoods(play.real))

    def discriminator_loss(self, play: TextPlay) -> Tensor:
        """The discriminator's side of the adversarial loss."""
        return self.adversarial.discriminator(play.on_real.logits, play.on_fake.logits)

    def policy_loss(self, play: TextPlay) -> Tensor:
        """The policy gradient of the fakes' values, less what such tokens were worth lately."""
        values = play.values
        if self.baseline is not None:
            play.note("token_values", values.mean(dim=0))
            values = values - self.baseline.mean
        return policy_gradient(self.generator.log_likelihoods(play.fake), values)

    @property
    def spelling(self) -> Mapping[str, Any]:
        """How tokens are written as text: the arguments of `media.lines.lines_of`."""
        words = self.vocabulary
        silent = words.index(PADDING) if PADDING in words else None
        return {"vocabulary": words or None, "joint": self.joint, "silent": silent}

    @property
    def latent_dim(self) -> int:
        """Numbers per sample: one for each token."""
        return self.generator.length

    def inputs(self, indices: Sequence[int], *, seed: int, ask: Ask = NOTHING) -> dict[str, Tensor]:
        """Uniform numbers (N, L) in [0, 1), of which a sequence is a function."""
        del ask  # there is nothing to ask for
        length = self.generator.length
        return {"uniforms": numbers_of(indices, length, seed=seed, sampler=torch.rand)}

    @torch.no_grad()
    def generate(self, networks: Mapping[str, nn.Module], inputs: Mapping[str, Tensor]) -> Tensor:
        """Tokens int64 (N, L) from uniform numbers (N, L)."""
        tokens: Tensor = networks["generator"](inputs["uniforms"])
        return tokens
