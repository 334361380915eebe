"""Semantic segmentation with an adversarial term: arXiv:1611.08408."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.common.class_maps import UNLABELLED
from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar
from gan_lab.engine.exchange import average
from gan_lab.engine.play import lazy
from gan_lab.engine.schedule import schedule
from gan_lab.engine.step import Term
from gan_lab.games.class_maps import as_images, coloured, maps_of, planes_of
from gan_lab.games.gan import GAN
from gan_lab.games.images import ImagePlay
from gan_lab.games.paired import NoLatents
from gan_lab.games.resting import RestingJudge
from gan_lab.games.translation import Translation
from gan_lab.games.views import viewed
from gan_lab.losses.adversarial import Loss
from gan_lab.networks.output import DiscriminatorOutput

NUMBERS = "numbers"  # the view that shows numbers of classes in place of their colours


class SegmentationPlay(ImagePlay):
    """Photographs, their true class maps, and the chances of classes that the segmenter gives each pixel.

    Where no class is known all planes are 0, of the truth and of what is made, so that nothing is learned there.
    """

    reals: ClassVar[str] = "partner"

    @property
    def source(self) -> Tensor:
        """Photographs (N, C, H, W) in [-1, 1]."""
        return self.batch["images"]

    @property
    def truth(self) -> Tensor:
        """Class maps, uint8 (N, 1, H, W)."""
        return self.batch["partner"]

    @lazy
    def real(self) -> Tensor:
        """The truth as a plane for each class (N, K, H, W), 1 where it is."""
        return self._differentiable("real", planes_of(self.truth, self.game.map_classes))

    @property
    def all_real(self) -> Tensor:
        """The truth of the whole batch."""
        return planes_of(self.whole["partner"], self.game.map_classes)

    @lazy
    def logits(self) -> Tensor:
        """What the segmenter says of the photographs (N, K, H, W), float32."""
        found: Tensor = self.game.generator(self.source)
        return found.float()

    def make(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """The chances of classes (N, K, H, W), each pixel's with the sum 1."""
        del z, labels
        return self.logits.softmax(dim=1) * (self.truth != UNLABELLED)

    def judge(
        self, images: Tensor, labels: Tensor | None = None, **how: Any
    ) -> DiscriminatorOutput:
        """The discriminator on planes, together with the photograph where it takes one."""
        if getattr(self.game.discriminator, "takes_source", False):
            how["source"] = self.source
        return super().judge(images, labels, **how)


class Segmentation(RestingJudge, Translation, GAN):
    """A segmenter learns the class of each pixel, and to make maps that a discriminator takes for true ones.

    It descends the cross entropy of the classes, and a weighted adversarial loss of whole maps: arXiv:1611.08408, eq. 1
    and section 3.1. The discriminator is given the photograph beside, and true maps as planes of 0 and 1.

    Args:
        generator: the segmenter, from photographs (N, C, H, W) in [-1, 1] to logits (N, K, H, W).
        discriminator: maps planes (N, K, H, W) to a DiscriminatorOutput; with `takes_source` given the photograph.
        loss: both sides of the adversarial loss; non_saturating is the paper's form for the segmenter.
        penalty: penalties and constraints by name.
        resolution: side of the images.
        channels: of the photographs.
        map_classes: number of classes, K.
        adversarial: weight of the adversarial term beside the cross entropy, >= 0 or a schedule; at 0 the discriminator
            does not play, and the segmenter is one that anybody trains.
        kept: rows that the run's grids show, >= 1.
        n_critic: discriminator updates per generator update; a number >= 1 or a schedule.

    Raises:
        ConfigError: if the generator makes images instead of logits.
    """

    Play = SegmentationPlay
    reads: ClassVar[tuple[str, ...]] = ("images", "partner")
    sources: ClassVar[tuple[str, ...]] = ("images",)
    targets: ClassVar[tuple[str, ...]] = ("partner",)
    views: ClassVar[tuple[str, ...]] = ("source", "translated", "target", NUMBERS)
    seen: ClassVar[tuple[str, ...]] = ("translated", NUMBERS)
    gives: ClassVar[str] = "chances"
    hidden = 1
    exact = True
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
        map_classes: int,
        adversarial: Scalar = 0.1,
        kept: int = 24,
        n_critic: Scalar = 1,
    ) -> None:
        if not getattr(generator, "gives_logits", False):
            raise ConfigError(
                "generator: makes images, and this model needs logits of classes; choose generator=segmenter."
            )
        super().__init__(
            generator=generator, discriminator=discriminator, latent=NoLatents(), loss=loss,
            penalty=penalty, n_critic=n_critic,
        )  # fmt: skip
        self.map_classes = map_classes
        self.strength = schedule(adversarial, "model.adversarial")
        in_range("model.adversarial", min(self.strength.ends()), low=0)
        self.class_maps = {"partner": map_classes}
        shape = (channels, resolution, resolution)
        self.keep_places(kept, {"images": shape, "partner": shape})

    @classmethod
    def facts_for(
        cls, part: str, options: Mapping[str, Any], facts: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Both networks have a plane for each class, and photographs as their sources.

        Raises:
            ConfigError: if the data has no class maps.
        """
        del options
        if part not in ("generator", "discriminator"):
            return {}
        if "map_classes" not in facts:
            raise ConfigError(
                "model: learns maps of classes, and this data has none; choose data=labels."
            )
        return {"channels": facts["map_classes"], "source_channels": facts["channels"]}

    def adversarial_terms(self, player: str) -> dict[str, Term]:
        """This player's side of the adversarial loss, weighted in the segmenter's step, and there the cross entropy."""
        if player == "discriminator":
            return super().adversarial_terms(player)
        found = {"cross_entropy": Term(self._cross_entropy)}
        if self.is_adversarial:
            found["adversarial"] = Term(self._generator_loss, self.strength)
        return found

    def _cross_entropy(self, play: SegmentationPlay) -> Tensor:
        """The mean over pixels whose class is known, those of the whole batch.

        Micro-batches are averaged, and know the classes of more pixels or of fewer. So each divides by its share of all
        that are known. The same holds for ranks: each divides by the mean of their numbers.
        """
        truth, whole = play.truth[:, 0].long(), play.whole["partner"]
        total = F.cross_entropy(play.logits, truth, ignore_index=UNLABELLED, reduction="sum")
        known = (whole != UNLABELLED).sum()
        if self.ranks > 1:
            known = known.float()
            average([known], self.ranks)
        return total / (known.clamp(min=1 / self.ranks) * (play.size / len(whole)))

    # Samples --------------------------------------------------------------------------------

    def sizes(self) -> tuple[int, int]:
        """How sizes change, and what sides must be multiples of."""
        return 1, int(getattr(self.generator, "multiple", 1))

    def translation(
        self, networks: Mapping[str, nn.Module], source: Tensor, ask: Mapping[str, int]
    ) -> Tensor:
        """The chances of classes (N, K, H, W), of which `finished` makes maps."""
        del ask
        logits: Tensor = networks["generator"](source)
        return logits.float().softmax(dim=1)

    @property
    def made_words(self) -> str:
        """Of the chances that `translation` gives."""
        return f"float32 (N, {self.map_classes}, H, W) in [0, 1], how likely each class is at each pixel"

    def finished(self, made: Tensor, ask: Mapping[str, int]) -> Tensor:
        """Maps of the likeliest classes: in colours (N, 3, H, W), or numbers (N, 1, H, W) where these are asked."""
        maps = maps_of(made)
        numbers = ask.get("view") == self.views.index(NUMBERS)
        return as_images(maps) if numbers else coloured(maps)

    def generate(self, networks: Mapping[str, nn.Module], inputs: Mapping[str, Tensor]) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1]: for each row the view (N,) that is asked for."""
        source = inputs["images"]
        maps = networks["generator"](source).argmax(dim=1, keepdim=True).to(torch.uint8)
        shown = {
            "source": source.expand(-1, 3, -1, -1),
            "translated": coloured(maps),
            "target": coloured(maps_of(inputs["partner"])),
            NUMBERS: as_images(maps).expand(-1, 3, -1, -1),
        }
        return viewed(shown, self.views, inputs["view"])
