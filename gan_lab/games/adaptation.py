"""Unsupervised domain adaptation by translated images: PixelDA, arXiv:1612.05424."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar
from gan_lab.engine.player import PlayerSpec
from gan_lab.engine.schedule import schedule
from gan_lab.engine.step import Step, Term
from gan_lab.games.gan import GAN
from gan_lab.games.images import ImagePlay, check_encoder, takes_labels
from gan_lab.games.paired import Kept, NoLatents
from gan_lab.games.translation import Translation
from gan_lab.games.views import viewed
from gan_lab.losses.adversarial import Loss


class AdaptationPlay(ImagePlay):
    """Labelled sources, what the generator makes of them, and targets without labels."""

    reals: ClassVar[str] = "images_b"

    @property
    def source(self) -> Tensor:
        """Sources (N, C, H, W) in [-1, 1]."""
        return self.batch["images_a"]

    @property
    def classes(self) -> Tensor:
        """Classes of the sources (N,), int64; each is known."""
        return self.batch["labels_a"]

    def make(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """The generator on the sources, with noise of its own for each."""
        del z, labels
        noise = self.uniform("noise", (self.size, self.game.noise))
        found: Tensor = self.game.generator(with_planes(self.source, noise))
        return found


def with_planes(images: Tensor, chances: Tensor) -> Tensor:
    """Images (N, C, H, W) with a plane for each number of (N, K) in [0, 1), in [-1, 1) and the same at every place."""
    planes = (chances * 2 - 1).to(images.dtype)[:, :, None, None].expand(-1, -1, *images.shape[2:])
    return torch.cat([images, planes], dim=1)


class Adaptation(Translation, GAN):
    """A classifier for images that nobody has labelled, taught by labelled ones of another look.

    The generator gives sources the look of the targets, and the discriminator tells its results from targets. The
    classifier learns the sources' classes, on sources and on their translations. What is translated must also keep its
    class: the classifier's loss on it is a term of the generator. arXiv:1612.05424, section 3.

    Args:
        generator: maps sources, with a plane for each number of noise, to images (N, C, H, W) in [-1, 1].
        discriminator: maps images to a DiscriminatorOutput.
        classifier: maps images to the logits of the sources' classes (N, label_dim).
        loss: both sides of the adversarial loss.
        penalty: penalties and constraints by name.
        resolution: side of the images.
        channels: of the images.
        task: weight of the classifier's loss in the generator's step, >= 0 or a schedule.
        translated: weight of translated images in the classifier's step, >= 0 or a schedule; at 0 it learns of sources
            alone, as if there were no targets.
        noise: numbers that the generator is given beside each source, uniform in [-1, 1), >= 0.
        kept: rows that the run's grids show, >= 1.
        n_critic: discriminator updates per generator update; a number >= 1 or a schedule.

    Raises:
        ConfigError: if the generator or the discriminator wants labels, which targets do not have.
    """

    Play = AdaptationPlay
    reads: ClassVar[tuple[str, ...]] = ("images_a", "labels_a", "images_b")
    sources: ClassVar[tuple[str, ...]] = ("images_a",)

    def __init__(
        self,
        *,
        generator: nn.Module,
        discriminator: nn.Module,
        classifier: nn.Module,
        loss: Loss,
        penalty: Mapping[str, Any],
        resolution: int,
        channels: int,
        task: Scalar = 0.1,
        translated: Scalar = 1.0,
        noise: int = 3,
        kept: int = 24,
        n_critic: Scalar = 1,
    ) -> None:
        for name, network in (("generator", generator), ("discriminator", discriminator)):
            if takes_labels(network):
                raise ConfigError(
                    f"{name}: takes labels, and the targets of this model have none; set {name}.labels=none."
                )
        check_encoder("classifier", classifier)
        super().__init__(
            generator=generator, discriminator=discriminator, latent=NoLatents(), loss=loss,
            penalty=penalty, n_critic=n_critic,
        )  # fmt: skip
        in_range("noise", noise, low=0)
        self.noise = noise
        self.classifier = classifier
        self.strengths = {
            "task": schedule(task, "model.task"),
            "translated": schedule(translated, "model.translated"),
        }
        for name, weight in self.strengths.items():
            in_range(f"model.{name}", min(weight.ends()), low=0)
        self.side = resolution
        self.keep_places(kept, {"images_a": (channels, resolution, resolution)})

    @classmethod
    def facts_for(
        cls, part: str, options: Mapping[str, Any], facts: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """The generator is given noise beside a source; the classifier encodes an image as a number for each class.

        Raises:
            ConfigError: if the data has no classes.
        """
        if part == "generator":
            return {"source_channels": facts["channels"] + options["noise"]}
        if part != "classifier":
            return {}
        if "label_dim" not in facts:
            raise ConfigError(
                "model: learns the classes of one kind of images, and this data has none; choose data=mnist_shifted."
            )
        return {"latent_dim": facts["label_dim"]}

    def players(self) -> Sequence[PlayerSpec]:
        """The discriminator, the generator and the classifier; an EMA follows the last two."""
        networks = {"classifier": self.classifier}
        return [*super().players(), PlayerSpec("classifier", "classifier", networks, averaged=True)]

    def steps(self) -> Sequence[Step]:
        """The discriminator's and the classifier's steps, then the generator's: arXiv:1612.05424, section 3.1."""
        found = [*super().steps()]
        first = [step.player for step in found].index("generator")
        terms = {"source": Term(self._on_sources)}
        if max(self.strengths["translated"].ends()) > 0:
            terms["translated"] = Term(self._on_translated, self.strengths["translated"])
        return [*found[:first], Step("classifier", terms), *found[first:]]

    def adversarial_terms(self, player: str) -> dict[str, Term]:
        """This player's side of the adversarial loss; the generator's translations shall keep their class too."""
        found = super().adversarial_terms(player)
        if player == "generator" and max(self.strengths["task"].ends()) > 0:
            found["task"] = Term(self._on_translated, self.strengths["task"])
        return found

    def _on_sources(self, play: AdaptationPlay) -> Tensor:
        """Cross entropy of the classes of sources, a half of the task loss: arXiv:1612.05424, section 3.1."""
        return F.cross_entropy(self.classifier(play.source).float(), play.classes)

    def _on_translated(self, play: AdaptationPlay) -> Tensor:
        """Cross entropy of the same classes of their translations, the other half."""
        return F.cross_entropy(self.classifier(play.fake).float(), play.classes)

    # Samples --------------------------------------------------------------------------------

    def inputs_of(
        self, rows: Mapping[str, Tensor], numbers: Sequence[int], **how: Any
    ) -> dict[str, Tensor]:
        """As of every translation; the noise is drawn by the rows' numbers."""
        noise = Kept(numbers, "adaptation").uniform("noise", (len(numbers), self.noise))
        return super().inputs_of(rows, numbers, **how) | {"noise": noise}

    def translation(
        self, networks: Mapping[str, nn.Module], source: Tensor, ask: Mapping[str, int]
    ) -> Tensor:
        """The generator, with noise at the middle of its range: nothing is drawn for images that somebody gives."""
        del ask
        found: Tensor = networks["generator"](
            with_planes(source, source.new_full((len(source), self.noise), 0.5))
        )
        return found

    def sizes(self) -> tuple[int, int]:
        """How sizes change, and what sides must be multiples of, by the generator alone."""
        return 1, int(getattr(self.generator, "multiple", self.side))

    def generate(self, networks: Mapping[str, nn.Module], inputs: Mapping[str, Tensor]) -> Tensor:
        """Images (N, C, H, W) in [-1, 1]: for each row the view (N,) that is asked for."""
        source = inputs["images_a"]
        made = networks["generator"](with_planes(source, inputs["noise"]))
        return viewed({"source": source, "translated": made}, self.views, inputs["view"])

    @torch.no_grad()
    def classify(self, networks: Mapping[str, nn.Module], images: Tensor) -> Tensor:
        """Logits of the classes (N, label_dim), float32, of images (N, C, H, W) in [-1, 1] of either look."""
        found: Tensor = networks["classifier"](images)
        return found.float()
