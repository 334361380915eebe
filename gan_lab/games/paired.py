"""A GAN whose generator is given an image: pix2pix and its relatives.

Image-to-Image Translation with Conditional Adversarial Networks, arXiv:1611.07004; SRGAN, arXiv:1609.04802, for a
generator that enlarges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar
from gan_lab.engine.phases import Phase
from gan_lab.engine.play import lazy
from gan_lab.engine.randomness import numbers_of
from gan_lab.engine.schedule import Schedule
from gan_lab.engine.step import Step
from gan_lab.games.augmented import Drawing
from gan_lab.games.class_maps import coloured, from_images, maps_of, planes_of
from gan_lab.games.gan import GAN
from gan_lab.games.images import ImagePlay
from gan_lab.games.translation import Translation, as_large, generators_first
from gan_lab.losses.adversarial import Loss
from gan_lab.networks.output import DiscriminatorOutput

REGION = "region"  # the view that shows where an image is to be made


class NoLatents:
    """A generator that is given an image takes no latents."""

    dim = 0

    def from_normal(self, normal: Tensor) -> Tensor:
        """Nothing of nothing (N, 0)."""
        return normal


class Kept:
    """Random numbers of kept or held-out rows: the same for a row whatever the others are.

    Args:
        numbers: of the rows.
        purpose: what all its draws are for.
    """

    def __init__(self, numbers: Sequence[int], purpose: str) -> None:
        self.numbers, self.purpose = numbers, purpose

    def uniform(self, purpose: str, shape: Sequence[int]) -> Tensor:
        """Numbers uniform in [0, 1), a row for each."""
        return self._drawn(purpose, shape, torch.rand)

    def normal(self, purpose: str, shape: Sequence[int]) -> Tensor:
        """Standard normal numbers, a row for each."""
        return self._drawn(purpose, shape, torch.randn)

    def _drawn(self, purpose: str, shape: Sequence[int], sampler: Any) -> Tensor:
        width = torch.Size(shape[1:]).numel()
        drawn = numbers_of(
            self.numbers, width, seed=0, purpose=f"{self.purpose}/{purpose}", sampler=sampler
        )
        return drawn.reshape(tuple(shape))


class PairPlay(ImagePlay):
    """A source, what the generator makes of it, and what it shall be."""

    @lazy
    def source(self) -> Tensor:
        """What the generator is given (N, C', h, w): the partner of the images, or made of them."""
        game = self.game
        if not game.degrade:
            partner, classes = self.batch["partner"], game.given_maps
            return planes_of(partner, classes) if classes else partner
        if self.follows:  # drawn anew, another part would be missing
            return self.carried("source")
        return degraded(
            game.degrade, self.batch["images"], lambda name: Drawing(self, f"degrade/{name}")
        )

    def make(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """The generator on the source."""
        del z, labels
        found: Tensor = self.game.translated(self.game.generator, self.source)
        return found

    def judge(
        self, images: Tensor, labels: Tensor | None = None, **how: Any
    ) -> DiscriminatorOutput:
        """The discriminator on images, together with their source where it takes one."""
        if getattr(self.game.discriminator, "takes_source", False):
            how["source"] = self.source
        return super().judge(images, labels, **how)


def degraded(parts: Mapping[str, Any], images: Tensor, draw: Any) -> Tensor:
    """Images (N, C, H, W) after a chain of degradations; `draw` gives random numbers for each by its name."""
    # What is rounded, as by JPEG, must not depend on the precision that networks compute in.
    with torch.autocast(images.device.type, enabled=False):
        for name, part in parts.items():
            images = part(images, draw(name))
    return images


def _refuse_changed_masks(parts: Mapping[str, Any]) -> None:
    """Raise ConfigError unless a part that adds channels is the last of its chain."""
    for name in list(parts)[:-1]:
        if hasattr(parts[name], "adds"):
            others = ",".join(one for one in parts if one != name)
            raise ConfigError(
                f"degrade=[{','.join(parts)}]: {name} adds a mask, which the next would change; put it last, as in"
                f" degrade=[{others},{name}]."
            )


class PairedGAN(Translation, GAN):
    """A generator that is given an image shall make the image that belongs to it.

    Args:
        generator: maps sources (N, C', h, w) to images (N, C, H, W) in [-1, 1].
        discriminator: maps images to a DiscriminatorOutput; with `takes_source` it is given the source beside.
        loss: both sides of the adversarial loss.
        penalty: penalties and constraints by name.
        auxiliary: terms that compare with the true image, such as `pixel`, and others.
        degrade: what makes sources of images, a chain by name; empty where the data has partners.
        resolution: side of the images.
        channels: of the images.
        map_classes: number of classes, where the data's partners are class maps: sources are a plane for each class.
        pixel_kimg: thousands of images in which the generator learns by its auxiliary terms alone, >= 0.
        kept: rows that the run's grids show, >= 1.
        n_critic: discriminator updates per generator update; a number >= 1 or a schedule.

    Raises:
        ConfigError: if the generator has nothing to learn from before the discriminator plays, or a degradation would
            change the mask that one before it adds.
    """

    Play = PairPlay
    sources: ClassVar[tuple[str, ...]] = ("partner",)
    views: ClassVar[tuple[str, ...]] = ("source", "translated", "target")
    targets: ClassVar[tuple[str, ...]] = ("images",)
    paired: ClassVar[bool] = True

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
        degrade: Mapping[str, Any] | None = None,
        map_classes: int | None = None,
        pixel_kimg: float = 0.0,
        kept: int = 24,
        n_critic: Scalar = 1,
    ) -> None:
        super().__init__(
            generator=generator, discriminator=discriminator, latent=NoLatents(), loss=loss,
            penalty=penalty, auxiliary=auxiliary, n_critic=n_critic,
        )  # fmt: skip
        in_range("pixel_kimg", pixel_kimg, low=0)
        self.pixel_kimg = pixel_kimg
        self.degrade = dict(degrade or {})
        _refuse_changed_masks(self.degrade)
        self.keeps_alpha = not any(getattr(one, "fills", False) for one in self.degrade.values())
        self.keep({f"degrade_{name}": part for name, part in self.degrade.items()})
        # Sources are columns of the data, or made of the images themselves.
        self.sources = ("images",) if self.degrade else ("partner",)  # type: ignore[misc]
        self.reads = ("images",) if self.degrade else ("images", "partner")  # type: ignore[misc]
        if self.regions:
            self.views, self.hidden = (*self.views, REGION), 1  # type: ignore[misc]
        self.class_maps = {} if self.degrade or not map_classes else {"partner": map_classes}
        shape = (channels, resolution, resolution)
        self.keep_places(kept, dict.fromkeys((*self.sources, "images"), shape))
        if pixel_kimg and not self._auxiliary_terms("generator"):
            raise ConfigError(
                f"model.pixel_kimg={pixel_kimg:g}: the generator has no term that it could learn from without the "
                "discriminator; add auxiliary=[pixel]."
            )

    def phases(self) -> Sequence[Phase]:
        """First, if wanted, the generator's own terms alone; then the game."""
        game = Phase(self.steps(), name="game")
        if not self.pixel_kimg:
            return [game]
        alone = [Step("generator", self._auxiliary_terms("generator"), label="pixel")]
        once = {"generator": Schedule(start=1.0, end=1.0)}
        return [Phase(alone, kimg=self.pixel_kimg, name="pixel", intervals=once), game]

    def steps(self) -> Sequence[Step]:
        """The generator's steps, then those of the discriminator, on what the first has made."""
        carried = ("source", "fake") if self.degrade else ("fake",)
        return generators_first(super().steps(), "generator", carried)

    def translated(self, generator: nn.Module, source: Tensor) -> Tensor:
        """What a generator makes of sources, with what is known of the image put back."""
        found: Tensor = generator(source)
        for part in self.degrade.values():
            if hasattr(part, "put_back"):
                found = part.put_back(found, source)
        return found

    def given(self, images: Tensor, alpha: Tensor | None = None) -> Tensor:
        """What the chain of degradations leaves of an image that lacks already what they take away; planes of a map."""
        if self.given_maps:
            return planes_of(from_images(images), self.given_maps)
        for part in self.degrade.values():
            if hasattr(part, "of_given"):
                images = part.of_given(images, alpha)
        return images

    def translation(
        self, networks: Mapping[str, nn.Module], source: Tensor, ask: Mapping[str, int]
    ) -> Tensor:
        """The generator, with what is known put back."""
        del ask
        return self.translated(networks["generator"], source)

    @property
    def regions(self) -> list[Any]:
        """Degradations that leave a part of the image as it is, and whose sources tell which."""
        return [part for part in self.degrade.values() if hasattr(part, "region")]

    def source_of(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Sources (N, C', h, w) of what `inputs` returned."""
        return inputs["source"] if self.degrade else inputs["partner"]

    def inputs_of(
        self, rows: Mapping[str, Tensor], numbers: Sequence[int], **how: Any
    ) -> dict[str, Tensor]:
        """As of every translation; sources that are made of images are drawn by the rows' numbers."""
        found = super().inputs_of(rows, numbers, **how)
        if self.degrade:
            found["source"] = degraded(
                self.degrade, found["images"], lambda name: Kept(numbers, f"degrade/{name}")
            )
        return found

    def generate(self, networks: Mapping[str, nn.Module], inputs: Mapping[str, Tensor]) -> Tensor:
        """Images (N, C, H, W) in [-1, 1]: for each row the view (N,) that is asked for."""
        source, view = self.source_of(inputs), inputs["view"]
        made = self.translated(networks["generator"], source).float()
        if bool((view == self.views.index(self.shown)).all()):
            return made
        masks = sum(getattr(part, "adds", 0) for part in self.degrade.values())
        seen = (
            coloured(maps_of(source)) if self.given_maps else source[:, : source.shape[1] - masks]
        )
        shown = as_large(seen, made.shape[2:]).expand(-1, made.shape[1], -1, -1)
        beside = [part.region(source).expand_as(made) * 2 - 1 for part in self.regions]
        every = torch.stack([shown, made, inputs["images"].expand_as(made), *beside], dim=1)
        return every[torch.arange(len(made), device=made.device), view]
