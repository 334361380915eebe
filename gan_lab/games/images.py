"""A play of images against images, which any game of one generator and one discriminator shares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gan_lab.common.errors import ConfigError
from gan_lab.engine.compiling import differentiable_twice
from gan_lab.engine.play import Play, lazy
from gan_lab.games.labels import written
from gan_lab.networks.joint import NO_LATENTS
from gan_lab.networks.output import DiscriminatorOutput


class ImagePlay(Play):
    """Latents, labels, fakes, and the discriminator's view of them.

    `make` and `judge` are the only places where networks are called: what stands before, behind or beside a network
    (labels, augmentation) is in them, so that no term needs to know of it.

    Attributes:
        reals: the column of the data that holds the reals.
    """

    reals: ClassVar[str] = "images"

    @lazy
    def real(self) -> Tensor:
        """Reals (N, C, H, W) in [-1, 1]; in the discriminator's steps some may be fakes, where an augmentation asks."""
        return self._differentiable("real", self._or_fake(self.batch[self.reals], "fake"))

    @lazy
    def replaced(self) -> Tensor | None:
        """Which reals are fakes instead, bool (N,); None where none is."""
        if self.step.player != "discriminator" or not self.game.augment.parts:
            return None
        found: Tensor | None = self.game.augment.replaced(self)
        return found

    def _or_fake(self, of_reals: Tensor, of_fakes: str) -> Tensor:
        """What reals have, or fakes in their place where they are exchanged."""
        if self.replaced is None:
            return of_reals
        fakes: Tensor = getattr(self, of_fakes).detach()
        chosen = self.replaced.view(-1, *(1 for _ in of_reals.shape[1:]))
        return torch.where(chosen, fakes.to(of_reals.dtype), of_reals)

    @property
    def all_real(self) -> Tensor:
        """Reals of the whole batch, of which `real` is this micro-batch's part."""
        return self.whole[self.reals]

    @property
    def real_classes(self) -> Tensor:
        """Classes of the reals (N,), int64, -1 where one is unknown; attributes (N, label_dim) likewise in {0, 1}."""
        labels = self.batch["labels"]
        if self.game.label_law is None or self.replaced is None:
            return labels
        return self._or_fake(labels, "_fake_labels_as_stored")

    @property
    def _fake_labels_as_stored(self) -> Tensor:
        """Labels of the fakes in the form of the batch's."""
        assert self.fake_labels is not None, "this game has no labels"
        one = self.batch["labels"].ndim == 1
        return self.fake_labels.argmax(dim=1) if one else self.fake_labels

    @lazy
    def real_labels(self) -> Tensor | None:
        """Labels of the reals as networks read them, float32 (N, label_dim); None where the game has none."""
        return written(self.real_classes, self.game.label_dim) if self.game.label_law else None

    @lazy
    def fake_labels(self) -> Tensor | None:
        """Labels that the fakes shall show (N, label_dim), drawn by the game's law; None where the game has none."""
        if self.game.label_law is None:
            return None
        found: Tensor = self.game.label_law.draw(self.uniform("label", (self.size,)))
        return found

    @lazy
    def fake_classes(self) -> Tensor:
        """Classes that the fakes shall show (N,), int64; attributes (N, label_dim)."""
        assert self.fake_labels is not None, "this game has no labels"
        return self._fake_labels_as_stored

    @lazy
    def z(self) -> Tensor:
        """Latents (N, dim)."""
        latent = self.game.latent
        z = latent.from_normal(self.normal("latent", (self.size, latent.dim)))
        return self._differentiable("z", z)

    @property
    def codes(self) -> Mapping[str, Tensor]:
        """The parts of the latents that have a name, as the latent's distribution cuts them out."""
        found: Mapping[str, Tensor] = self.game.latent.codes(self.z)
        return found

    @lazy
    def fake(self) -> Tensor:
        """Fakes (N, C, H, W) in [-1, 1]; without a graph where the generator is frozen, or has moved already."""
        made = self.carried("fake") if self.follows else self.make(self.z, self.fake_labels)
        return self._differentiable("fake", made)

    def _differentiable(self, name: str, tensor: Tensor) -> Tensor:
        """A leaf that requires grad where a term differentiates there, unless it hangs on a moving player."""
        if tensor.requires_grad or not self.wants_gradient(name):
            return tensor
        return tensor.detach().requires_grad_()

    @lazy
    def on_real(self) -> DiscriminatorOutput:
        """The discriminator on the reals."""
        return self.judge_as("real", self.real, twice=self.wants_gradient("real"))

    @lazy
    def on_fake(self) -> DiscriminatorOutput:
        """The discriminator on the fakes."""
        return self.judge_as("fake", self.fake, twice=self.wants_gradient("fake"))

    @lazy
    def seen(self) -> dict[str, Tensor]:
        """The reals and fakes as the discriminator saw them, augmented, by `real` and `fake`."""
        return {}

    @lazy
    def _others(self) -> Iterator[int]:
        """Numbers of the images judged beside reals and fakes, in their order."""
        return count()

    @property
    def in_main_step(self) -> bool:
        """Whether this is the discriminator's step with the adversarial loss."""
        return self.step.player == "discriminator" and "adversarial" in self.step.terms

    def make(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """The generator on any latents (N, dim)."""
        generator = self.game.generator
        given = (z,) if labels is None else (z, *_given(generator, labels))
        images: Tensor = generator(*given, **self.drawn_for(generator))
        # Of the class: a module that lacks a name is slow to say so.
        if hasattr(type(generator), "notes"):
            for name, value in generator.notes().items():
                self.note(name, value)
        return images

    def drawn_for(self, network: nn.Module) -> dict[str, Tensor]:
        """Random numbers (N, n) that a network takes by name in training alone, such as where styles are mixed.

        Its attribute `draws` tells the law and n for each name, as in {"cut": ("uniform", 1)}; the law "latent" is that
        of the game's latents. They are the same wherever a play calls the network, and samples are made without them.
        """
        asked = vars(network).get("draws") or getattr(type(network), "draws", None)
        if not asked:
            return {}
        laws = {"uniform": self.uniform, "normal": self.normal, "latent": self._latents}
        return {
            name: laws[law](f"network/{name}", (self.size, count))
            for name, (law, count) in asked.items()
        }

    def _latents(self, purpose: str, shape: Sequence[int]) -> Tensor:
        """Other latents than z, by the same law."""
        found: Tensor = self.game.latent.from_normal(self.normal(purpose, shape))
        return found

    def discriminate(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """The discriminator on any other images, by default with the reals' labels; differentiable twice."""
        return self.judge(images, self.real_labels if labels is None else labels, twice=True)

    def judge_as(self, of: str, images: Tensor, *, twice: bool = False) -> DiscriminatorOutput:
        """The discriminator on images in the place of this play's: with their labels, under their augmentation.

        Args:
            of: real or fake.
            images: (N, C, H, W), such as the reals with a little noise.
            twice: whether the result is differentiated twice.
        """
        labels = self.real_labels if of == "real" else self.fake_labels
        return self.judge(images, labels, twice=twice, of=of, **self.given_with(of))

    def given_with(self, of: str) -> Mapping[str, Tensor]:
        """What else the discriminator is given with the reals or the fakes, by name."""
        del of
        return {}

    def judge(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        *,
        twice: bool = False,
        of: str = "",
        **beside: Any,
    ) -> DiscriminatorOutput:
        """The discriminator on images, and what else it judges with them.

        Args:
            images: (N, C, H, W).
            labels: as the discriminator reads them, (N, label_dim).
            twice: whether the result is differentiated twice.
            of: which images these are, real or fake, for the random numbers of augmentations; others are counted.
            beside: such as the latents z (N, dim) of the images, for discriminators of pairs.
        """
        discriminator = self.game.discriminator
        if self.game.augment.parts:
            images = self.game.augment(images, self, of or f"other{next(self._others)}")
        if of:
            self.seen.setdefault(of, images)
        images = self.taken_in(images)
        given = (images,) if labels is None else (images, *_given(discriminator, labels))
        output: DiscriminatorOutput = self.call(discriminator, *given, twice=twice, **beside)
        for part in self.game.judges:
            output = output._replace(logits=part.judge(output))
        return output

    def taken_in(self, images: Tensor) -> Tensor:
        """Images as the discriminator takes them in."""
        return images

    def call(self, network: nn.Module, *given: Tensor, twice: bool, **beside: Tensor) -> Any:
        """A network on its input; not its compiled form where the result is differentiated twice."""
        return (
            differentiable_twice(network, *given, **beside) if twice else network(*given, **beside)
        )

    def observe(self) -> Mapping[str, Tensor]:
        """Logits of reals and fakes in the discriminator's main step, and what the loss measures of them."""
        if not self.in_main_step:
            return {}
        real, fake = self.on_real.logits, self.on_fake.logits
        found = {"logits/real": real, "logits/fake": fake}
        for name, value in self.game.adversarial.measures(real, fake).items():
            found[f"measure/{name}"] = value
        for name, value in self.game.augment.measures().items():
            found[f"measure/{name}"] = value
        return found


def takes_labels(network: nn.Module) -> bool:
    """Whether a network is called with labels behind its input."""
    return bool(getattr(network, "takes_labels", False))


def check_latents(discriminator: nn.Module, *, given: bool) -> None:
    """Refuse a discriminator that judges latents beside images where a game gives it none, and the reverse.

    Raises:
        ConfigError: saying which discriminator would fit.
    """
    takes = bool(getattr(discriminator, "takes_latents", False))
    if takes and not given:
        raise ConfigError(NO_LATENTS)
    if given and not takes:
        raise ConfigError(
            "discriminator: judges images alone, and this model has it judge them together with their latents; choose "
            "another, such as discriminator=joint_dcgan."
        )


def check_source(discriminator: nn.Module, *, given: bool) -> None:
    """Refuse a discriminator that judges an image with its source where a game has no sources.

    Raises:
        ConfigError: saying which option would do.
    """
    if getattr(discriminator, "takes_source", False) and not given:
        raise ConfigError(
            "discriminator: judges an image together with its source, and this model has none; set "
            "discriminator.conditional=false."
        )


def refuse_of_latents(penalty: Mapping[str, Any], auxiliary: Mapping[str, Any]) -> None:
    """Refuse parts that look at how images change with latents, for a game whose generator takes none.

    Raises:
        ConfigError: naming the first such part.
    """
    of_latents = [
        *(f"penalty.{k}" for k, p in penalty.items() if "z" in getattr(p, "differentiates", ())),
        *(f"auxiliary.{k}" for k, p in auxiliary.items() if "latents" in getattr(p, "needs", ())),
    ]
    if of_latents:
        raise ConfigError(
            f"{of_latents[0]}: looks at how images change with latents, and this model's generator takes none; "
            "leave it out."
        )


def check_encoder(name: str, encoder: nn.Module) -> None:
    """Refuse an encoder that shows planes of images where a game wants numbers.

    Raises:
        ConfigError: saying which would do.
    """
    if getattr(encoder, "shows_planes", False):
        raise ConfigError(
            f"{name}: shows planes, and this model wants numbers of an image; choose another, such as dcgan."
        )


def _given(network: nn.Module, labels: Tensor) -> tuple[Tensor, ...]:
    return (labels,) if takes_labels(network) else ()


def has_batch_norm(network: nn.Module) -> bool:
    """Whether images meet inside in batch statistics."""
    return any(isinstance(module, _BatchNorm) for module in network.modules())
