"""CUT, arXiv:2007.15651: one kind of images as another, where patches must know what they were made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar
from gan_lab.engine.play import lazy
from gan_lab.engine.player import PlayerSpec
from gan_lab.engine.schedule import schedule
from gan_lab.engine.step import Step, Term
from gan_lab.games.gan import GAN
from gan_lab.games.images import ImagePlay
from gan_lab.games.paired import NoLatents
from gan_lab.games.translation import Translation, generators_first
from gan_lab.games.views import viewed
from gan_lab.losses.adversarial import Loss
from gan_lab.losses.contrast import patch_nce, sampled
from gan_lab.networks.translation.patch_heads import PatchHeads


class CutPlay(ImagePlay):
    """Images of the second kind, and what is made of the first."""

    reals: ClassVar[str] = "images_b"

    @property
    def source(self) -> Tensor:
        """Images of the first kind (N, C, H, W) in [-1, 1], as the data gives them."""
        return self.batch["images_a"]

    @lazy
    def mirrored(self) -> Tensor | None:
        """Which sources the generator sees mirrored, bool (N, 1, 1, 1); None where it sees none so."""
        if not self.game.flip_equivariance:
            return None
        return (self.uniform("mirrored", (self.size,)) < 0.5).view(-1, 1, 1, 1)

    def make(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """The generator on the sources, some of them mirrored."""
        del z, labels
        found: Tensor = self.game.generator(mirror(self.source, self.mirrored))
        return found


def mirror(planes: Tensor, which: Tensor | None) -> Tensor:
    """Planes (N, C, H, W), those mirrored from left to right that `which`, bool (N, 1, 1, 1), says."""
    return planes if which is None else torch.where(which, planes.flip(3), planes)


class CUT(Translation, GAN):
    """A generator from the first kind of images to the second, a discriminator of the second, and heads of patches.

    Adversarial losses and penalties are those of any GAN. What was made is held to its source by PatchNCE on features
    of the generator's own encoder, in place of the way back of CycleGAN.

    Args:
        generator: maps images (N, C, H, W) to images; `features(images)` gives planes of its layers, and
            `feature_channels` their channels.
        discriminator: judges images of the second kind.
        loss: both sides of the adversarial loss.
        penalty: penalties and constraints by name, each of the player that it names.
        auxiliary: terms of either player by name.
        augment: what changes images in front of the discriminator, by name.
        resolution: side of the images.
        channels: of the images.
        nce: weight of PatchNCE between an image and its translation, >= 0 or a schedule: lambda_X of eq. 5.
        identity: weight of the same between an image of the second kind and what the generator makes of it, >= 0 or a
            schedule: lambda_Y of eq. 5.
        temperature: of PatchNCE, > 0.
        patches: places of an image that are sampled in each layer, >= 2; fewer where a layer has fewer.
        head_width: of the heads, >= 1.
        flip_equivariance: the generator sees half of the sources mirrored, and features of these translations are
            mirrored back, as in FastCUT.
        kept: rows that the run's grids show, >= 1.
        n_critic: discriminator updates per generator update; a number >= 1 or a schedule.

    Raises:
        ConfigError: if the generator gives no features, or cannot read what it makes.
    """

    Play = CutPlay
    reads: ClassVar[tuple[str, ...]] = ("images_a", "images_b")
    sources: ClassVar[tuple[str, ...]] = ("images_a",)

    def __init__(
        self,
        *,
        generator: nn.Module,
        discriminator: nn.Module,
        loss: Loss,
        penalty: Mapping[str, Any],
        resolution: int,
        channels: int,
        auxiliary: Mapping[str, Any] | None = None,
        augment: Mapping[str, Any] | None = None,
        nce: Scalar = 1.0,
        identity: Scalar = 1.0,
        temperature: float = 0.07,
        patches: int = 256,
        head_width: int = 256,
        flip_equivariance: bool = False,
        kept: int = 16,
        n_critic: Scalar = 1,
    ) -> None:
        super().__init__(
            generator=generator, discriminator=discriminator, latent=NoLatents(), loss=loss,
            penalty=penalty, auxiliary=auxiliary, augment=augment, n_critic=n_critic,
        )  # fmt: skip
        in_range("temperature", temperature, above=0)
        in_range("patches", patches, low=2)
        self.temperature, self.patches = temperature, patches
        self.flip_equivariance = flip_equivariance
        self.contrasts = {
            name: schedule(weight, f"model.{name}")
            for name, weight in (("nce", nce), ("identity", identity))
        }
        for name, weight in self.contrasts.items():
            in_range(f"model.{name}", min(weight.ends()), low=0)
        self.patch_heads = PatchHeads(_layers_of(generator, channels), width=head_width)
        self.keep_places(kept, {"images_a": (channels, resolution, resolution)})

    def players(self) -> Sequence[PlayerSpec]:
        """As of every GAN; the heads move with the generator."""
        heads = {"patch_heads": self.patch_heads}
        return [
            replace(spec, networks={**spec.networks, **heads}) if spec.name == "generator" else spec
            for spec in super().players()
        ]

    def steps(self) -> Sequence[Step]:
        """The generator's steps, then those of the discriminator, on what the first has made."""
        return generators_first(super().steps(), "generator", ("fake",))

    def adversarial_terms(self, player: str) -> dict[str, Term]:
        """This player's side of the loss; for the generator PatchNCE beside."""
        found = super().adversarial_terms(player)
        for name, weight in self.contrasts.items():
            if player == "generator" and max(weight.ends()) > 0:
                found[name] = Term(getattr(self, name), weight)
        return found

    def nce(self, play: CutPlay) -> Tensor:
        """PatchNCE between sources and their translations."""
        return self._contrast(play, "nce", play.source, play.fake, play.mirrored)

    def identity(self, play: CutPlay) -> Tensor:
        """PatchNCE between images of the second kind and what the generator makes of them."""
        real = play.batch["images_b"]
        return self._contrast(play, "identity", real, self.generator(real), None)

    def _contrast(
        self, play: CutPlay, name: str, source: Tensor, made: Tensor, mirrored: Tensor | None
    ) -> Tensor:
        """The mean over layers; sources are read without a gradient, so that translations follow them.

        What has a gradient is always computed first: autocast keeps the cast weights of the first call, and those that
        were cast without a gradient would get none.
        """
        generator, losses = self.generator, []
        seen = generator.features(made)  # type: ignore[operator]
        with torch.no_grad():
            wanted = generator.features(source)  # type: ignore[operator]
        for layer, (planes, true) in enumerate(zip(seen, wanted, strict=True)):
            places = _places(play, f"{name}/{layer}", true[0, 0].numel(), self.patches)
            queries = self.patch_heads(layer, sampled(mirror(planes, mirrored), places))
            with torch.no_grad():
                keys = self.patch_heads(layer, sampled(true, places))
            losses.append(patch_nce(queries, keys, temperature=self.temperature))
        return torch.stack(losses).mean()

    def translation(
        self, networks: Mapping[str, nn.Module], source: Tensor, ask: Mapping[str, int]
    ) -> Tensor:
        """What is made of sources (N, C, H, W): images (N, C, H, W) in [-1, 1]."""
        del ask
        found: Tensor = networks["generator"](source)
        return found

    def generate(self, networks: Mapping[str, nn.Module], inputs: Mapping[str, Tensor]) -> Tensor:
        """Images (N, C, H, W) in [-1, 1]: for each row the view (N,) that is asked for."""
        source = inputs["images_a"]
        made = self.translation(networks, source, {})
        return viewed({"source": source, "translated": made}, self.views, inputs["view"])


def _layers_of(generator: nn.Module, channels: int) -> Sequence[int]:
    """Channels of the layers whose features a generator gives.

    Raises:
        ConfigError: if it gives none, or takes other images than it makes.
    """
    found: Sequence[int] | None = getattr(generator, "feature_channels", None)
    if found is None:
        raise ConfigError(
            "generator: gives no features of its layers, which this model contrasts; choose generator=translator or "
            "generator=unet."
        )
    if found[0] != channels:
        raise ConfigError(
            f"generator.source_channels={found[0]}: this model's generator also reads what it makes, which has "
            f"{channels} channels; set null."
        )
    return found


def _places(play: CutPlay, name: str, count: int, wanted: int) -> Tensor:
    """Distinct random places (N, S) of so many, int64, drawn for each image by itself."""
    chances = play.uniform(f"patches/{name}", (play.size, count))
    return chances.topk(min(wanted, count), dim=1).indices
