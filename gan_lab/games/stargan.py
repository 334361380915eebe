"""StarGAN, arXiv:1711.09020: one generator that translates images into any of several classes, or attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar
from gan_lab.engine.asking import NOTHING, Ask, Shown, asked
from gan_lab.engine.schedule import schedule
from gan_lab.engine.step import Term
from gan_lab.games.gan import GAN, ROWS
from gan_lab.games.images import ImagePlay, takes_labels
from gan_lab.games.labels import written
from gan_lab.games.paired import NoLatents
from gan_lab.games.translation import Translation
from gan_lab.games.views import viewed
from gan_lab.losses.adversarial import Loss


class DomainPlay(ImagePlay):
    """Images, and what is made of them for labels that are drawn."""

    @property
    def source(self) -> Tensor:
        """What the generator is given: the batch's images (N, C, H, W) in [-1, 1]."""
        return self.batch["images"]

    def make(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """The generator on the sources, told to make these labels."""
        del z
        found: Tensor = self.game.generator(self.source, labels)
        return found


class StarGAN(Translation, GAN):
    """A generator that is given an image and labels, and a discriminator that also classifies.

    The classifier is an auxiliary term, such as `acgan` without its part on fakes: it learns the labels of reals, and
    the generator shall make images in which it sees the wanted ones (eq. 2 and 3). Labels that a translation shall have
    are drawn by the law of the data, as the paper exchanges those of a batch.

    Args:
        generator: maps images (N, C, H, W) and labels (N, label_dim) to images.
        discriminator: judges images.
        loss: both sides of the adversarial loss.
        penalty: penalties and constraints by name, each of the player that it names.
        auxiliary: terms of either player by name, one of which classifies.
        augment: what changes images in front of the discriminator, by name.
        resolution: side of the images.
        channels: of the images.
        classes: names of the data's classes or attributes.
        label_dim: their number.
        label_law: how often translations get each label: as the data has them, or uniform.
        reconstruction: weight of the distance between an image and its translation translated back, >= 0 or a schedule:
            lambda_rec of eq. 6.
        kept: rows that the run's grids show, >= 1.
        n_critic: discriminator updates per generator update; a number >= 1 or a schedule.

    Raises:
        ConfigError: if the generator takes no labels.
    """

    Play = DomainPlay
    sources: ClassVar[tuple[str, ...]] = ("images",)
    kept_labels: Tensor

    def __init__(
        self,
        *,
        generator: nn.Module,
        discriminator: nn.Module,
        loss: Loss,
        penalty: Mapping[str, Any],
        resolution: int,
        channels: int,
        label_dim: int,
        auxiliary: Mapping[str, Any] | None = None,
        augment: Mapping[str, Any] | None = None,
        classes: Sequence[str] = (),
        label_law: str = "data",
        reconstruction: Scalar = 10.0,
        kept: int = 16,
        n_critic: Scalar = 1,
    ) -> None:
        if not takes_labels(generator):
            raise ConfigError(
                "generator: takes no labels, by which this model says what to make; choose generator=domain_translator."
            )
        super().__init__(
            generator=generator, discriminator=discriminator, latent=NoLatents(), loss=loss,
            penalty=penalty, auxiliary=auxiliary, augment=augment, n_critic=n_critic,
            classes=classes, label_dim=label_dim, label_law=label_law,
        )  # fmt: skip
        self.label_count = label_dim
        self.reconstructing = schedule(reconstruction, "model.reconstruction")
        in_range("model.reconstruction", min(self.reconstructing.ends()), low=0)
        self.keep_places(kept, {"images": (channels, resolution, resolution)})
        self.register_buffer("kept_labels", torch.zeros(kept, label_dim))

    def adversarial_terms(self, player: str) -> dict[str, Term]:
        """This player's side of the loss; for the generator the reconstruction beside."""
        found = super().adversarial_terms(player)
        if player == "generator" and max(self.reconstructing.ends()) > 0:
            found["reconstruction"] = Term(self.reconstruction, self.reconstructing)
        return found

    def reconstruction(self, play: DomainPlay) -> Tensor:
        """Translated back into its own labels, an image shall be what it was: arXiv:1711.09020, eq. 4."""
        back = self.generator(play.fake, play.real_labels)
        return (back.float() - play.source).abs().mean()

    def warnings(self) -> list[str]:
        """As of every GAN, and where nothing teaches the generator to read labels."""
        found = super().warnings()
        if not any("labels" in getattr(part, "needs", ()) for part in self.auxiliaries.values()):
            found.append(
                "No auxiliary term classifies, so nothing asks translations to show their labels (arXiv:1711.09020, "
                "eq. 3); add auxiliary=[acgan]."
            )
        return found

    # Samples --------------------------------------------------------------------------------

    def keep_rows(self, data: Any) -> None:
        """Keep rows of a split that grids show, with their labels."""
        super().keep_rows(data)
        labels = data.columns["labels"].values
        rows = torch.arange(self.kept) * len(labels) // self.kept
        self.kept_labels.copy_(written(labels[rows], self.label_count))

    def inputs(self, indices: Sequence[int], *, seed: int, ask: Ask = NOTHING) -> dict[str, Tensor]:
        """Kept rows in turn with their labels, from that of the seed's number on, and what each shall become."""
        numbers = asked(ask, "latents", indices) or indices
        rows = torch.tensor([(number + seed) % self.kept for number in numbers])
        kept = {name: getattr(self, f"kept_{name}").cpu()[rows] for name in ("images", "labels")}
        return self.inputs_of(kept, numbers, indices=indices, ask=ask)

    def questions(self) -> Mapping[str, Sequence[str]]:
        """What an image becomes, and what of that is shown."""
        names = self.classes or tuple(map(str, range(self.label_count)))
        return {"classes": names, **Translation.questions(self)}

    def picture(self, count: int) -> Shown:
        """In each line a source and its translation into each class; with attributes, those that change one each."""
        values = min(self.label_count, ROWS)
        shown = [value * self.label_count // values for value in range(values)]
        lines = min(max(round(count / (values + 1)), 1), self.kept)
        ask = {
            "view": [0, *([self.views.index(self.shown)] * values)],
            "classes": [0, *shown],
            "latents": [row for row in range(lines) for _ in range(values + 1)],
        }
        return Shown(lines * (values + 1), values + 1, ask)

    def labels_of(self, indices: Sequence[int], *, seed: int, ask: Ask = NOTHING) -> Tensor | None:
        """What samples shall show, whatever the seed; None where an attribute is changed, as that asks the sources."""
        assert self.label_law is not None, "this game has labels"
        del seed
        if ask.get("classes") and not self.label_law.exclusive:
            return None
        return GAN.labels_of(self, indices, seed=0, ask=ask)

    def inputs_of(
        self,
        rows: Mapping[str, Tensor],
        numbers: Sequence[int],
        *,
        indices: Sequence[int] | None = None,
        ask: Ask = NOTHING,
        **how: Any,
    ) -> dict[str, Tensor]:
        """As of every translation, with the labels (N, label_dim) that are wanted.

        They are drawn by the law where nobody asks. A class that is asked for is the label. An attribute that is asked
        for is changed, and the other attributes stay as the row has them, or are 0 where its labels are not known.
        """
        images = {"images": rows["images"]}
        found = super().inputs_of(images, numbers, indices=indices, ask=ask, **how)
        del found["classes"]
        places = list(numbers if indices is None else indices)
        wanted = self._labels(places, seed=0, ask=ask)
        assert wanted is not None, "this game has labels"
        assert self.label_law is not None, "this game has labels"
        if asked(ask, "classes", places) and "labels" in rows and not self.label_law.exclusive:
            wanted = (written(rows["labels"], self.label_count) - wanted).abs()
        return found | {"labels": wanted}

    def translation(
        self, networks: Mapping[str, nn.Module], source: Tensor, ask: Mapping[str, int]
    ) -> Tensor:
        """What is made of sources (N, C, H, W) for the class of `ask`: images (N, C, H, W) in [-1, 1]."""
        # Not its length, which an export would take for a constant.
        classes = torch.full((source.shape[0],), ask.get("classes", 0), device=source.device)
        return self._made(networks, source, classes)

    def generate(self, networks: Mapping[str, nn.Module], inputs: Mapping[str, Tensor]) -> Tensor:
        """Images (N, C, H, W) in [-1, 1], of `labels` (N, label_dim): for each row the view (N,) that is asked for."""
        source = inputs["images"]
        made = self._made(networks, source, inputs["labels"])
        return viewed({"source": source, "translated": made}, self.views, inputs["view"])

    def _made(self, networks: Mapping[str, nn.Module], source: Tensor, labels: Tensor) -> Tensor:
        found: Tensor = networks["generator"](source, written(labels, self.label_count))
        return found
