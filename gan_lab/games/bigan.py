"""A generator and an encoder against a discriminator of pairs: BiGAN and ALI.

Adversarial Feature Learning (BiGAN), arXiv:1605.09782, section 3, and Adversarially Learned Inference (ALI),
arXiv:1606.00704, section 2. The discriminator sees an image together with its latent: a real with the encoder's, or a
fake with the generator's own. They differ in the encoder, which gives an image one latent or a distribution of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from gan_lab.engine.asking import NOTHING, Ask, Shown, asked
from gan_lab.engine.play import lazy
from gan_lab.engine.player import PlayerSpec
from gan_lab.engine.step import Term
from gan_lab.games.gan import GAN
from gan_lab.games.images import ImagePlay, check_encoder
from gan_lab.networks.output import DiscriminatorOutput

KEPT = 32  # reals of the training split whose reconstructions a run's grids show
SHOWN = "reconstructions"  # a question: 0 is a sample, 2i + 1 the real i, 2i + 2 its reconstruction


class PairPlay(ImagePlay):
    """Images and their latents, judged together."""

    @lazy
    def encoded(self) -> Tensor:
        """Latents of the reals (N, dim), drawn where the encoder is stochastic.

        Terms that differentiate at the reals see the latents fixed: the pair is moved in its image alone.
        """
        noise = self.normal("encoding", (self.size, self.game.latent.dim))
        found: Tensor = self.game.encoder(self.real.detach(), noise)
        return found

    def given_with(self, of: str) -> Mapping[str, Tensor]:
        """The latents that the encoder finds in the reals, or those that the fakes were made of."""
        return {"z": self.encoded if of == "real" else self.z}

    def discriminate(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """The discriminator on any other images with the mean of their latents, which have no gradient."""
        with torch.no_grad():
            z = self.game.encoder(images)
        labels = self.real_labels if labels is None else labels
        return self.judge(images, labels, twice=True, z=z)


class BiGAN(GAN):
    """A GAN whose generator has an inverse, trained with it; both are one player.

    Args:
        encoder: maps images (N, C, H, W) and noise (N, dim) to latents (N, dim).
        discriminator: maps images and their latents `z=` to a DiscriminatorOutput with logits (N,).
        resolution: height and width of the images.
        channels: of the images.
        parts: the others, as of a GAN.

    Raises:
        ConfigError: where the discriminator judges images alone, or as of a GAN.
    """

    Play = PairPlay
    gives_latents = True
    kept: Tensor

    def __init__(
        self,
        *,
        encoder: nn.Module,
        resolution: int,
        channels: int,
        **parts: Any,
    ) -> None:
        check_encoder("encoder", encoder)
        super().__init__(**parts)
        self.encoder = encoder
        shape = (KEPT, channels, resolution, resolution)
        self.register_buffer("kept", torch.zeros(shape, dtype=torch.uint8))

    def players(self) -> Sequence[PlayerSpec]:
        """The discriminator, and the generator together with the encoder."""
        return [
            spec if spec.name != "generator"
            else replace(spec, networks={**spec.networks, "encoder": self.encoder})
            for spec in super().players()
        ]  # fmt: skip

    def adversarial_terms(self, player: str) -> dict[str, Term]:
        """The GAN's, and the encoder's: reals with its latents shall look like fakes."""
        found = super().adversarial_terms(player)
        if player == "generator" and not self.adversarial.needs_real:
            found["encoder"] = Term(lambda play: self.adversarial.encoder(play.on_real.logits))
        return found

    def prepare(self, data: Any) -> None:
        """Keep some reals, evenly spread over the training split, whose reconstructions grids show."""
        super().prepare(data)
        places = [index * len(data.images) // KEPT for index in range(KEPT)]
        self.kept.copy_(torch.as_tensor(data.images[places]))

    def questions(self) -> Mapping[str, Sequence[str]]:
        """As of a GAN, and which kept real or reconstruction is shown in the place of a sample."""
        names = (
            f"{what} {index}"
            for index in range(KEPT)
            for what in ("real", "reconstruction of real")
        )
        return {**super().questions(), SHOWN: ["sample", *names]}

    def picture(self, count: int) -> Shown:
        """Samples above, and below as many reals with their reconstructions to the right of each."""
        if len(self.questions()) > 1 or count < 4:  # labels or codes have rows of their own
            return super().picture(count)
        columns = max(round(count**0.5 / 2) * 2, 2)
        rows = max(count // columns, 2)
        pairs = rows // 2 * columns // 2
        spread = [pair * KEPT // pairs for pair in range(pairs)]
        below = [value for real in spread for value in (2 * real + 1, 2 * real + 2)]
        above = [0] * ((rows - rows // 2) * columns)
        return Shown(len(above) + len(below), columns, {SHOWN: [*above, *below]})

    def inputs(self, indices: Sequence[int], *, seed: int, ask: Ask = NOTHING) -> dict[str, Tensor]:
        """As of a GAN, and which kept real is shown instead, int64 (N,), where somebody asks."""
        found = super().inputs(indices, seed=seed, ask=ask)
        shown = asked(ask, SHOWN, indices)
        return found if shown is None else found | {SHOWN: torch.tensor(shown)}

    @torch.no_grad()
    def generate(self, networks: Mapping[str, nn.Module], inputs: Mapping[str, Tensor]) -> Tensor:
        """As of a GAN; a kept real, or its reconstruction, in the place of samples that were asked to be one."""
        samples = super().generate(networks, inputs)
        if SHOWN not in inputs:
            return samples
        shown = inputs[SHOWN].to(samples.device)[:, None, None, None]
        reals = (self.kept[(shown.flatten() - 1).clamp(min=0) // 2].float() - 127.5) / 127.5
        again = self.reconstruct(networks, reals)
        return torch.where(shown == 0, samples, torch.where(shown % 2 == 1, reals, again))

    @torch.no_grad()
    def encode(self, networks: Mapping[str, nn.Module], images: Tensor) -> Tensor:
        """The mean latents (N, dim) of images (N, C, H, W) in [-1, 1]."""
        found: Tensor = networks["encoder"](images)
        return found.float()

    @torch.no_grad()
    def reconstruct(self, networks: Mapping[str, nn.Module], images: Tensor) -> Tensor:
        """What the generator makes of the latents of images (N, C, H, W): images in [-1, 1], float32."""
        found: Tensor = networks["generator"](self.encode(networks, images))
        return found.float()
