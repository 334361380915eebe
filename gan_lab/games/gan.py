"""The two-player game of Generative Adversarial Nets, arXiv:1406.2661, algorithm 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar
from gan_lab.engine.asking import NOTHING, Ask, Shown, asked, rows_of
from gan_lab.engine.dials import Dials
from gan_lab.engine.module import AdversarialModule
from gan_lab.engine.player import Constraint, PlayerSpec
from gan_lab.engine.randomness import numbers_of
from gan_lab.engine.schedule import schedule
from gan_lab.engine.step import Step, Term, check_players, parts_of, steps_of
from gan_lab.games.augmented import Augmentations
from gan_lab.games.images import (
    ImagePlay,
    check_latents,
    check_source,
    has_batch_norm,
    refuse_of_latents,
    takes_labels,
)
from gan_lab.games.labels import LabelLaw
from gan_lab.games.scheduled import Scheduled
from gan_lab.latents.distributions import Latent
from gan_lab.losses.adversarial import Loss, flipped

PLAYERS = ("discriminator", "generator")
ROWS = 16  # classes shown in a grid


class GAN(AdversarialModule):
    """A generator against a discriminator, with any networks, loss, penalties and auxiliary terms.

    Labels play where a network takes them or an auxiliary term needs them: reals bring theirs, fakes get theirs by a
    law. Conditional Generative Adversarial Nets, arXiv:1411.1784.

    Args:
        generator: maps latents (N, dim) to images (N, C, H, W) in [-1, 1].
        discriminator: maps images to a DiscriminatorOutput with logits (N,).
        latent: distribution of the latents.
        loss: both sides of the adversarial loss.
        penalty: penalties (terms) and constraints (projections) by name, each of the player that it names.
        auxiliary: terms of either player by name, which may bring a head of their own.
        augment: what changes images in front of the discriminator, by name, in the order of its use.
        classes: names of the data's classes or attributes.
        label_dim: their number; None where the data has none.
        label_law: how often fakes get each label: as the data has them, or uniform.
        n_critic: discriminator updates per generator update; a number >= 1 or a schedule.
        generator_batch: fakes in the generator's step for each one in the discriminator's, > 0; where the loss compares
            them with reals, these are repeated.

    Raises:
        ConfigError: where a part needs labels and the data has none, or the discriminator judges latents too; or a part
            looks at latents, and the generator takes none.
    """

    Play = ImagePlay
    reads: ClassVar[tuple[str, ...]] = ("images",)
    gives_latents: ClassVar[bool] = False  # to the discriminator, beside images
    paired: ClassVar[bool] = False  # whether fakes have an image that they should be

    def __init__(
        self,
        *,
        generator: nn.Module,
        discriminator: nn.Module,
        latent: Latent,
        loss: Loss,
        penalty: Mapping[str, Any],
        auxiliary: Mapping[str, Any] | None = None,
        augment: Mapping[str, Any] | None = None,
        classes: Sequence[str] = (),
        label_dim: int | None = None,
        label_law: str = "data",
        n_critic: Scalar = 1,
        generator_batch: float = 1.0,
    ) -> None:
        super().__init__(n_critic=n_critic)
        in_range("generator_batch", generator_batch, above=0)
        self.generator_batch = generator_batch
        check_latents(discriminator, given=self.gives_latents)
        check_source(discriminator, given=self.paired)
        if not latent.dim:
            refuse_of_latents(penalty, auxiliary or {})
        self.generator = generator
        self.discriminator = discriminator
        self.latent = latent
        self.adversarial = loss
        self._take_auxiliaries(auxiliary or {})
        self.classes = tuple(classes)
        self.label_dim = label_dim
        self.label_law = self._law(label_law)
        self._take_penalties(penalty)
        self.augment = Augmentations(augment or {})
        self.keep({f"augment_{name}": part for name, part in self.augment.parts.items()})
        self.keep({"loss": loss, "latent": latent})

    def _take_auxiliaries(self, auxiliary: Mapping[str, Any]) -> None:
        """Own the auxiliary terms, and sort out those that change the adversarial loss."""
        self.auxiliaries = dict(auxiliary)
        parts = list(self.auxiliaries.values())
        # They give the adversarial loss its logits in place of the discriminator,
        self.judges = [part for part in parts if hasattr(part, "judge")]
        # change the gradient of the generator's at the fakes,
        self.steering = [part for part in parts if hasattr(part, "steer")]
        # or choose the fakes that the generator learns from.
        self.pickers = [part for part in parts if hasattr(part, "pick")]
        self.scheduled = Scheduled("auxiliary", self.auxiliaries)
        heads = nn.ModuleDict(self.auxiliaries)
        if heads:
            self.heads = heads
        self._refuse_unpaired()

    def _refuse_unpaired(self) -> None:
        """Refuse terms that compare an image with the one that it should be, where there is no such image."""
        for name, part in self.auxiliaries.items():
            if "pairs" in getattr(part, "needs", ()) and not self.paired:
                raise ConfigError(
                    f"auxiliary.{name}: compares an image with the one that it should be, and this model has no pairs; "
                    "choose a model that is, such as model=pix2pix."
                )

    def _take_penalties(self, penalty: Mapping[str, Any]) -> None:
        """Own the penalties and constraints, with the weights of the former."""
        check_players("penalty", penalty, PLAYERS)
        self.constraints = {
            k: cast(Constraint, p) for k, p in penalty.items() if hasattr(p, "project")
        }
        for part in penalty.values():
            if hasattr(part, "follow"):
                part.follow(getattr(self, part.player))
        self.keep({f"penalty_{k}": p for k, p in penalty.items()})
        self.penalties = {k: p for k, p in penalty.items() if k not in self.constraints}
        freezing = [p for p in penalty.values() if hasattr(p, "resting")]
        self.resting = {
            f"{p.player}.{name}" for p in freezing for name in p.resting(getattr(self, p.player))
        }
        self.weights = {
            k: schedule(p.weight, f"penalty.{k}.weight") for k, p in self.penalties.items()
        }
        for name, weight in self.weights.items():
            in_range(f"penalty.{name}.weight", min(weight.ends()), low=0)
        self.shares = {name: getattr(p, "share", 1.0) for name, p in self.penalties.items()}
        for name, share in self.shares.items():
            if share != 1 and self.penalties[name].every == 1:
                raise ConfigError(
                    f"penalty.{name}.share={share:g}: a penalty of each update takes that update's batch; set share=1, "
                    "or every=2 or more."
                )

    def _law(self, law: str) -> LabelLaw | None:
        """The law of labels where any part wants them."""
        wanting = [n for n in ("generator", "discriminator") if takes_labels(getattr(self, n))]
        wanting += [
            f"auxiliary.{name}"
            for name, part in self.auxiliaries.items()
            if "labels" in getattr(part, "needs", ())
        ]
        if not wanting:
            return None
        if self.label_dim is None:
            raise ConfigError(
                f"{wanting[0]}: needs labels, and this data has none; choose data with classes, such as data=mnist or "
                "a folder with one folder for each class."
            )
        return LabelLaw(self.label_dim, law)

    def prepare(self, data: Any) -> None:
        """Learn how often each label occurs; auxiliary terms take what they need."""
        if self.label_law is not None:
            self.label_law.learn(data.labels)
        for part in self.auxiliaries.values():
            if hasattr(part, "prepare"):
                part.prepare(data)

    def questions(self) -> Mapping[str, Sequence[str]]:
        """Classes, where labels play; codes, where the latent has some."""
        found = dict(getattr(self.latent, "questions", dict)())
        if self.label_law is not None and takes_labels(self.generator):
            found["classes"] = self.classes or [str(n) for n in range(self.label_dim or 0)]
        return found

    def picture(self, count: int) -> Shown:
        """A row for each class, else for each value of the first code; a grid where there is neither."""
        questions = self.questions()
        name = "classes" if "classes" in questions else next(iter(questions), None)
        if name is None:
            return super().picture(count)
        values = len(questions[name])
        rows = min(values, ROWS)
        shown = [row * values // rows for row in range(rows)]
        return rows_of(name, shown, max(round(count / rows), round(count**0.5)))

    def inputs(self, indices: Sequence[int], *, seed: int, ask: Ask = NOTHING) -> dict[str, Tensor]:
        """Latents, and labels (N, label_dim) where the generator takes them, drawn by the law or as they are asked."""
        found = super().inputs(indices, seed=seed, ask=ask)
        for question in getattr(self.latent, "questions", dict)():
            values = asked(ask, question, indices)
            if values is not None:
                code = question.removeprefix("codes.")
                found["latents"] = self.latent.with_code(found["latents"], code, values)  # type: ignore[attr-defined]
        labels = self._labels(indices, seed=seed, ask=ask)
        return found if labels is None else found | {"labels": labels}

    def labels_of(self, indices: Sequence[int], *, seed: int, ask: Ask = NOTHING) -> Tensor | None:
        """What samples shall show, where the generator takes labels."""
        labels = self._labels(indices, seed=seed, ask=ask)
        if labels is None or self.label_law is None:
            return None
        return labels.argmax(dim=1) if self.label_law.exclusive else labels

    def _labels(self, indices: Sequence[int], *, seed: int, ask: Ask) -> Tensor | None:
        """Labels (N, label_dim) as the generator takes them; None where it takes none."""
        if self.label_law is None or not takes_labels(self.generator):
            return None
        classes = asked(ask, "classes", indices)
        if classes is not None:
            return self.label_law.of_classes(classes)
        drawn = numbers_of(indices, 1, seed=seed, purpose="label", sampler=torch.rand)[:, 0]
        return self.label_law.draw(drawn.to(self.label_law.edges.device)).cpu()

    def players(self) -> Sequence[PlayerSpec]:
        """The discriminator and the generator, which an EMA follows."""
        return [
            PlayerSpec(
                "discriminator",
                "discriminator",
                {"discriminator": self.discriminator, **self._heads_of("discriminator")},
                constraints=list(parts_of("discriminator", self.constraints).values()),
                resting=self.resting,
            ),
            PlayerSpec(
                "generator",
                "generator",
                {"generator": self.generator, **self._heads_of("generator")},
                constraints=list(parts_of("generator", self.constraints).values()),
                averaged=True,
            ),
        ]

    def _heads_of(self, player: str) -> dict[str, nn.Module]:
        """Networks that auxiliary terms bring, by name; they move with this player."""
        return {
            f"heads.{name}": part
            for name, part in self.auxiliaries.items()
            if getattr(part, "head_player", "discriminator") == player
            and any(True for _ in part.parameters())
        }

    def _auxiliary_terms(self, player: str) -> dict[str, Term]:
        """What auxiliary terms ask of this player, each with its weight for this side."""
        found = {}
        for name, part in self.auxiliaries.items():
            if not hasattr(part, player):
                continue
            option = f"{player}_weight" if hasattr(part, f"{player}_weight") else "weight"
            weight = schedule(getattr(part, option), f"auxiliary.{name}.{option}")
            in_range(f"auxiliary.{name}.{option}", min(weight.ends()), low=0)
            found[name] = Term(getattr(part, player), weight)
        return found

    def steps(self) -> Sequence[Step]:
        """The discriminator's step and its lazy penalties, then the generator's."""
        steps: list[Step] = []
        for player in PLAYERS:
            penalties = {
                name: (Term(p, self.weights[name], frozenset(p.differentiates)), p.every)
                for name, p in parts_of(player, self.penalties).items()
            }
            main = {**self.adversarial_terms(player), **self._auxiliary_terms(player)}
            share = self.generator_batch if player == "generator" else 1.0
            steps += steps_of(player, main, penalties, share=share, shares=self.shares)
        return steps

    def adversarial_terms(self, player: str) -> dict[str, Term]:
        """This player's side of the adversarial loss."""
        sides = {"discriminator": self._discriminator_loss, "generator": self._generator_loss}
        return {"adversarial": Term(sides[player])}

    def set_dials(self, images_seen: int, dials: Dials) -> None:
        """Set what augmentations and auxiliary terms read of their schedules."""
        self.augment.scheduled.set(images_seen, dials)
        self.scheduled.set(images_seen, dials)

    def _discriminator_loss(self, play: ImagePlay) -> Tensor:
        real, fake = play.on_real.logits, play.on_fake.logits
        for name, value in self.adversarial.notes(real, fake).items():
            play.note(name, value)
        for name, value in self.augment.notes(play).items():
            play.note(name, value)
        if chance := self.adversarial.label_flipping:
            real, fake = flipped(real, fake, play.uniform("label_flipping", (play.size,)) < chance)
        return self.adversarial.discriminator(real, fake)

    def _generator_loss(self, play: ImagePlay) -> Tensor:
        real = play.on_real.logits if self.adversarial.needs_real else None
        return self.generator_side(play, play.on_fake.logits, real)

    def generator_side(self, play: ImagePlay, fake: Tensor, real: Tensor | None) -> Tensor:
        """The generator's adversarial loss on logits (N,), with what auxiliary terms change of it."""
        for part in self.pickers:
            fake = part.pick(fake)
        loss = self.adversarial.generator(fake, real)
        for part in self.steering:
            loss = part.steer(loss, play)
        return loss

    @property
    def latent_dim(self) -> int:
        """Numbers per latent."""
        return self.latent.dim

    def generate(self, networks: Mapping[str, nn.Module], inputs: Mapping[str, Tensor]) -> Tensor:
        """Images (N, C, H, W) in [-1, 1] from standard normal numbers (N, dim)."""
        return self.made(networks["generator"], inputs)

    def made(self, generator: nn.Module, inputs: Mapping[str, Tensor], **beside: Any) -> Tensor:
        """What a generator makes of samples' inputs, float32; `beside` is what else it takes."""
        given = (inputs["labels"],) if "labels" in inputs else ()
        beside |= {name: inputs[name] for name in ("truncation", "shift") if name in inputs}
        images: Tensor = generator(self.latent.from_normal(inputs["latents"]), *given, **beside)
        return images.float().clamp(-1, 1)  # generators without tanh overshoot

    @property
    def truncates(self) -> bool:
        """Whether the generator truncates by itself, such as in the space of its styles."""
        return bool(getattr(self.generator, "truncates", False))

    @property
    def translates(self) -> bool:
        """Whether the generator moves its images where it is told to."""
        return bool(getattr(self.generator, "translates", False))

    def warnings(self) -> list[str]:
        """Choices that train but contradict the papers."""
        found = []
        batch_norm = has_batch_norm(self.discriminator)
        penalties = parts_of("discriminator", self.penalties)
        bounding = [
            p
            for p in (*penalties.values(), *parts_of("discriminator", self.constraints).values())
            if getattr(p, "lipschitz", False) and getattr(p, "weight", 1) != 0
        ]
        if batch_norm and penalties:
            names = ", ".join(penalties)
            found.append(
                f"penalty=[{names}] with batch normalisation in the discriminator: the penalty is defined per image, "
                "but batch statistics tie the images together (arXiv:1704.00028, section 4); "
                "set discriminator.norm=layer or none."
            )
        if self.adversarial.lipschitz and not bounding:
            found.append(
                "loss=wasserstein without a Lipschitz constraint: the critic's loss has no lower bound "
                "(arXiv:1701.07875, section 3); add penalty=[gradient_penalty] or penalty=[weight_clipping]."
            )
        if self.adversarial.energy and not hasattr(self.discriminator, "reconstruct"):
            found.append(
                "loss=energy or began reads an energy >= 0, minus the logit, and this discriminator's logits have no "
                "upper bound (arXiv:1609.03126, section 2); choose discriminator=autoencoder."
            )
        return found
