"""Progressive growing, as somebody outside gan_lab writes it: arXiv:1710.10196.

A phase for each resolution. A new layer is faded in; layers whose turn has not come get no gradient, and so rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar
from gan_lab.engine.clock import KIMG
from gan_lab.engine.dials import Dials
from gan_lab.engine.phases import Phase
from gan_lab.games.gan import GAN
from gan_lab.games.images import ImagePlay
from gan_lab.latents.distributions import Latent
from gan_lab.losses.adversarial import Loss
from gan_lab.networks.output import DiscriminatorOutput

FIRST = 8  # the resolution of the first phase
Alpha = float | Tensor


def sides(resolution: int) -> list[int]:
    """The resolutions of the phases: 8, 16, ... up to the data's.

    Raises:
        ConfigError: where the data's is none of them.
    """
    found = [FIRST << stage for stage in range(max((resolution // FIRST).bit_length(), 1))]
    if found[-1] != resolution:
        raise ConfigError(
            f"data.resolution={resolution}: grows by doubling from {FIRST}; set 8, 16, 32 ..."
        )
    return found


def doubled(images: Tensor) -> Tensor:
    """Each pixel of images (N, C, H, W) four times."""
    return F.interpolate(images, scale_factor=2)


def faded(earlier: Tensor, images: Tensor, alpha: Alpha) -> Tensor:
    """From what the smaller network gives to what the larger one does: arXiv:1710.10196, figure 2."""
    return earlier + (images - earlier) * alpha


class PixelNorm(nn.Module):
    """Each pixel's channels scaled to unit size: arXiv:1710.10196, section 4.2."""

    def forward(self, x: Tensor) -> Tensor:
        """Map planes (N, C, H, W) to the same shape."""
        return x * x.square().mean(dim=1, keepdim=True).add(1e-8).rsqrt()


class GrowingGenerator(nn.Module):
    """Latents to images of any of the phases' resolutions.

    Args:
        resolution: of the last phase.
        channels: of the images.
        latent_dim: numbers of a latent.
        width: channels inside, >= 1.
    """

    def __init__(self, *, resolution: int, channels: int, latent_dim: int, width: int = 32) -> None:
        super().__init__()
        in_range("width", width, low=1)
        self.sides = sides(resolution)
        self.first = nn.Linear(latent_dim, width * (FIRST // 2) ** 2)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(0.2), PixelNorm())
            for _ in self.sides
        )
        self.colours = nn.ModuleList(nn.Conv2d(width, channels, 1) for _ in self.sides)

    def forward(self, z: Tensor, *, side: int, alpha: Alpha) -> Tensor:
        """Map z (N, latent_dim) to images (N, C, side, side) in [-1, 1], their newest layer faded in by alpha."""
        stage = self.sides.index(side)
        x = self.first(z).unflatten(1, (-1, FIRST // 2, FIRST // 2))
        earlier = x
        for layer in self.layers[: stage + 1]:
            earlier, x = x, layer(doubled(x))
        images = self.colours[stage](x).tanh()
        if stage == 0:
            return images
        return faded(doubled(self.colours[stage - 1](earlier).tanh()), images, alpha)


class GrowingDiscriminator(nn.Module):
    """Judges images of any of the phases' resolutions.

    Args:
        resolution: of the last phase.
        channels: of the images.
        width: channels inside, >= 1.
    """

    def __init__(self, *, resolution: int, channels: int, width: int = 32) -> None:
        super().__init__()
        in_range("width", width, low=1)
        self.sides = sides(resolution)
        self.colours = nn.ModuleList(nn.Conv2d(channels, width, 1) for _ in self.sides)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(0.2), nn.AvgPool2d(2))
            for _ in self.sides
        )
        self.last = nn.Linear(width * (FIRST // 2) ** 2, 1)

    def forward(self, images: Tensor, *, alpha: Alpha) -> DiscriminatorOutput:
        """Judge images (N, C, side, side), their newest layer faded in by alpha."""
        stage = self.sides.index(images.shape[-1])
        x = self.layers[stage](self.colours[stage](images))
        if stage > 0:
            x = faded(self.colours[stage - 1](F.avg_pool2d(images, 2)), x, alpha)
            for layer in self.layers[:stage][::-1]:
                x = layer(x)
        features = x.flatten(1)
        return DiscriminatorOutput(self.last(features).squeeze(1), features)


class GrowingPlay(ImagePlay):
    """Reals and fakes of the phase's resolution."""

    def pooled(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) at the phase's resolution, faded as those of the networks are."""
        side = self.phase.setting["side"]
        images = F.avg_pool2d(images, images.shape[-1] // side)
        if side == FIRST:
            return images
        return faded(doubled(F.avg_pool2d(images, 2)), images, self.game.alpha)

    @cached_property
    def real(self) -> Tensor:
        """Reals (N, C, side, side) in [-1, 1]."""
        return self._differentiable("real", self.pooled(self.batch["images"]))

    @property
    def all_real(self) -> Tensor:
        """Reals of the whole batch."""
        return self.pooled(self.whole["images"])

    def make(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """The generator at the phase's resolution."""
        del labels
        return self.game.generator(z, side=self.phase.setting["side"], alpha=self.game.alpha)

    def judge(
        self, images: Tensor, labels: Tensor | None = None, **how: Any
    ) -> DiscriminatorOutput:
        """The discriminator, which sees the resolution of the images."""
        return super().judge(images, labels, alpha=self.game.alpha, **how)


class Growing(GAN):
    """A GAN whose images grow from 8 pixels to the data's size.

    Args:
        generator: takes the side of its images and alpha beside latents.
        discriminator: takes alpha beside images.
        latent: distribution of the latents.
        loss: both sides of the adversarial loss.
        penalty: penalties and constraints by name.
        resolution: of the last phase.
        phase_kimg: thousands of images of each phase but the last, > 0.
        fade_kimg: thousands of images in which a new layer is faded in, > 0.
        first_batch: images in a batch of the first phase, where they are small; None is the run's.
        n_critic: discriminator updates per generator update; a number >= 1 or a schedule.

    Raises:
        ConfigError: where the data's resolution cannot be reached by doubling.
    """

    Play = GrowingPlay

    def __init__(
        self,
        *,
        generator: nn.Module,
        discriminator: nn.Module,
        latent: Latent,
        loss: Loss,
        penalty: Mapping[str, Any],
        resolution: int,
        phase_kimg: float = 600.0,
        fade_kimg: float = 600.0,
        first_batch: int | None = None,
        n_critic: Scalar = 1,
    ) -> None:
        super().__init__(
            generator=generator, discriminator=discriminator, latent=latent, loss=loss,
            penalty=penalty, n_critic=n_critic,
        )  # fmt: skip
        in_range("phase_kimg", phase_kimg, above=0)
        in_range("fade_kimg", fade_kimg, above=0)
        self.sides = sides(resolution)
        self.phase_kimg, self.fade_kimg, self.first_batch = phase_kimg, fade_kimg, first_batch
        self.alpha: Alpha = 1.0

    def phases(self) -> Sequence[Phase]:
        """One for each resolution, all of the same steps."""
        last = self.sides[-1]
        return [
            Phase(
                self.steps(),
                kimg=self.phase_kimg if side < last else float("inf"),
                name=f"{side} x {side}",
                batch_size=self.first_batch if side == FIRST < last else None,
                setting={"side": side, "begin_kimg": stage * self.phase_kimg},
            )
            for stage, side in enumerate(self.sides)
        ]

    def alpha_at(self, images_seen: int) -> float:
        """How far the newest layer is faded in after so many images, in [0, 1]."""
        setting = self.timeline.at(images_seen).setting
        if setting["side"] == FIRST:
            return 1.0
        return min((images_seen / KIMG - setting["begin_kimg"]) / self.fade_kimg, 1.0)

    def set_dials(self, images_seen: int, dials: Dials) -> None:
        """Set the alpha of now."""
        super().set_dials(images_seen, dials)
        self.alpha = dials.set("alpha", self.alpha_at(images_seen))

    @torch.no_grad()
    def generate(self, networks: Mapping[str, nn.Module], inputs: Mapping[str, Tensor]) -> Tensor:
        """Images (N, C, side, side) in [-1, 1], as large as the networks have grown."""
        seen = self.clock.images_seen
        side = self.timeline.at(seen).setting["side"]
        z = self.latent.from_normal(inputs["latents"])
        return networks["generator"](z, side=side, alpha=self.alpha_at(seen)).float()
