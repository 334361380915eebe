"""A GAN over tokens without a policy gradient: the generator writes relaxed tokens (arXiv:1611.04051)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar
from gan_lab.engine.dials import Dials
from gan_lab.engine.schedule import schedule
from gan_lab.engine.step import Step, Term
from gan_lab.games.seqgan import SeqGAN
from gan_lab.games.text import RelaxedPlay
from gan_lab.losses.adversarial import Loss
from gan_lab.networks.text.writer import Writer


class GumbelGAN(SeqGAN):
    """A generator whose tokens are Gumbel-softmax mixtures, so that the discriminator's gradient reaches it.

    Samples are drawn exactly, at any temperature: what is relaxed is training alone.

    Args:
        generator: writes relaxed tokens.
        discriminator: reads tokens (N, L) and mixtures (N, L, vocab_size).
        loss: both sides of the adversarial loss.
        likelihood_kimg: thousands of sequences that the generator learns to imitate first; 0 is none.
        discriminator_kimg: thousands of sequences that the discriminator learns from before the game; 0 is none.
        temperature: of the mixtures, above 0; a number or a schedule.
        straight_through: the discriminator reads exact tokens; the gradient is the mixtures'.
        n_critic: discriminator updates per generator update in the game; a number >= 1 or a schedule.
        vocabulary: what each token spells; none where tokens are numbers that mean nothing.
        level: of the tokens: char or word.
    """

    Play = RelaxedPlay

    def __init__(
        self,
        *,
        generator: Writer,
        discriminator: nn.Module,
        loss: Loss,
        likelihood_kimg: float = 0,
        discriminator_kimg: float = 0,
        temperature: Scalar = 1.0,
        straight_through: bool = False,
        n_critic: Scalar = 1,
        vocabulary: Sequence[str] = (),
        level: str = "word",
    ) -> None:
        super().__init__(
            generator=generator,
            discriminator=discriminator,
            loss=loss,
            likelihood_kimg=likelihood_kimg,
            discriminator_kimg=discriminator_kimg,
            n_critic=n_critic,
            vocabulary=vocabulary,
            level=level,
        )
        self.temperature = schedule(temperature, "model.temperature")
        in_range("temperature", min(self.temperature.ends()), above=0)
        self.temperature_now: float | Tensor = self.temperature.at(0)
        self.straight_through = straight_through

    def steps(self) -> Sequence[Step]:
        """Of the game itself: the discriminator's step, then the generator's."""
        return [
            Step("discriminator", {"adversarial": Term(self.discriminator_loss)}),
            Step("generator", {"adversarial": Term(self.generator_loss)}),
        ]

    def generator_loss(self, play: RelaxedPlay) -> Tensor:
        """The generator's side of the adversarial loss."""
        real = play.on_real.logits if self.adversarial.needs_real else None
        return self.adversarial.generator(play.on_fake.logits, real)

    def set_dials(self, images_seen: int, dials: Dials) -> None:
        """Set the temperature of now."""
        if not self.temperature.constant:
            self.temperature_now = dials.set("temperature", self.temperature.at(images_seen))
