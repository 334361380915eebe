"""A third player beside generator and discriminator: an encoder with an interval, rates and an average of its own."""

from __future__ import annotations

from torch import nn

from gan_lab.engine.player import PlayerSpec
from gan_lab.engine.schedule import schedule
from gan_lab.engine.step import Step, Term
from gan_lab.games.gan import GAN

INTERVAL = 3


class Encoded(GAN):
    """A GAN whose latents an encoder finds again from the fakes."""

    def __init__(self, *, encoder: nn.Module, half_life_kimg=None, rates=None, share=1.0, **parts):
        super().__init__(**parts)
        self.encoder = encoder
        self.half_life_kimg, self.rates_of_encoder, self.share = half_life_kimg, rates or {}, share

    def players(self):
        return [
            *super().players(),
            PlayerSpec(
                "encoder", "encoder", {"encoder": self.encoder}, averaged=True,
                interval=schedule(INTERVAL, "interval"), rates=self.rates_of_encoder,
                half_life_kimg=self.half_life_kimg,
            ),
        ]  # fmt: skip

    def steps(self):
        return [*super().steps(), Step("encoder", {"latents": Term(self.found)}, share=self.share)]

    def found(self, play):
        self.seen = play.size
        return (self.encoder(play.fake) - play.z).square().mean()
