"""Two generators that must agree, each with a discriminator of its own: a game outside gan_lab."""

from __future__ import annotations

from functools import cached_property

from gan_lab.engine.module import AdversarialModule
from gan_lab.engine.play import Play
from gan_lab.engine.player import PlayerSpec
from gan_lab.engine.schedule import schedule
from gan_lab.engine.step import Step, Term


class TwinPlay(Play):
    @cached_property
    def z(self):
        return self.normal("latent", (self.size, self.game.latent.dim))

    @cached_property
    def fake_a(self):
        return self.game.generator_a(self.z)

    @cached_property
    def fake_b(self):
        return self.game.generator_b(self.z)


class Twins(AdversarialModule):
    Play = TwinPlay

    def __init__(
        self, *, generator_a, generator_b, discriminator_a, discriminator_b, latent, loss,
        n_critic=1, tie: float = 1.0,
    ):  # fmt: skip
        super().__init__(n_critic=n_critic)
        self.generator_a, self.generator_b = generator_a, generator_b
        self.discriminator_a, self.discriminator_b = discriminator_a, discriminator_b
        self.latent, self.adversarial, self.tie = latent, loss, tie

    def players(self):
        return [
            PlayerSpec("discriminator_a", "discriminator", {"a": self.discriminator_a}),
            PlayerSpec("discriminator_b", "discriminator", {"b": self.discriminator_b}),
            PlayerSpec(
                "generators",
                "generator",
                {"a": self.generator_a, "b": self.generator_b},
                averaged=True,
            ),
        ]

    def steps(self):
        loss = self.adversarial
        return [
            Step("discriminator_a", {"adversarial": Term(lambda p: loss.discriminator(
                self.discriminator_a(p.batch["images"]).logits, self.discriminator_a(p.fake_a).logits))}),
            Step("discriminator_b", {"adversarial": Term(lambda p: loss.discriminator(
                self.discriminator_b(p.batch["images"].flip(-1)).logits, self.discriminator_b(p.fake_b).logits))}),
            Step("generators", {
                "a": Term(lambda p: loss.generator(self.discriminator_a(p.fake_a).logits)),
                "b": Term(lambda p: loss.generator(self.discriminator_b(p.fake_b).logits)),
                "tie": Term(lambda p: (p.fake_a - p.fake_b.flip(-1)).square().mean(), schedule(self.tie, "model.tie")),
            }),
        ]  # fmt: skip

    @property
    def latent_dim(self):
        return self.latent.dim

    def generate(self, networks, inputs):
        return networks["a"](inputs["latents"]).float()
