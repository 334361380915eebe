"""The two-player game of Generative Adversarial Nets, arXiv:1406.2661, algorithm 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar
from gan_lab.engine.compiling import uncompiled
from gan_lab.engine.module import AdversarialModule
from gan_lab.engine.play import Play
from gan_lab.engine.player import Constraint, PlayerSpec
from gan_lab.engine.schedule import schedule
from gan_lab.engine.step import Step, Term, check_players, parts_of, steps_of
from gan_lab.latents.distributions import Latent
from gan_lab.losses.adversarial import Loss, flipped
from gan_lab.networks.output import DiscriminatorOutput

PLAYERS = ("discriminator", "generator")


class ImagePlay(Play):
    """Images against images: latents, fakes, and the discriminator's view of both."""

    @cached_property
    def real(self) -> Tensor:
        """Reals (N, C, H, W) in [-1, 1]."""
        return self._differentiable("real", self.batch["images"])

    @property
    def all_real(self) -> Tensor:
        """Reals of the whole batch, of which `real` is this micro-batch's part."""
        return self.whole["images"]

    @cached_property
    def labels(self) -> Tensor | None:
        """Classes of the reals (N,), if the data has any."""
        return self.batch.get("labels")

    @cached_property
    def z(self) -> Tensor:
        """Latents (N, dim)."""
        latent = self.game.latent
        z = latent.from_normal(self.normal("latent", (self.size, latent.dim)))
        return self._differentiable("z", z)

    @cached_property
    def fake(self) -> Tensor:
        """Fakes (N, C, H, W) in [-1, 1]; without a graph where the generator is frozen."""
        return self._differentiable("fake", self.game.generator(self.z))

    def _differentiable(self, name: str, tensor: Tensor) -> Tensor:
        """A leaf that requires grad where a term differentiates there, unless it hangs on a moving player."""
        if tensor.requires_grad or not self.wants_gradient(name):
            return tensor
        return tensor.detach().requires_grad_()

    @cached_property
    def on_real(self) -> DiscriminatorOutput:
        """The discriminator on the reals."""
        return self._judge(self.real, twice=self.wants_gradient("real"))

    @cached_property
    def on_fake(self) -> DiscriminatorOutput:
        """The discriminator on the fakes."""
        return self._judge(self.fake, twice=self.wants_gradient("fake"))

    @property
    def in_main_step(self) -> bool:
        """Whether this is the discriminator's step with the adversarial loss."""
        return self.step.player == "discriminator" and "adversarial" in self.step.terms

    def discriminate(self, images: Tensor) -> DiscriminatorOutput:
        """The discriminator on any other images; a penalty differentiates through it twice."""
        return self._judge(images, twice=True)

    def _judge(self, images: Tensor, *, twice: bool) -> DiscriminatorOutput:
        discriminator = self.game.discriminator
        return uncompiled(discriminator, images) if twice else discriminator(images)

    def observe(self) -> Mapping[str, Tensor]:
        """Logits of reals and fakes in the discriminator's main step."""
        if not self.in_main_step:
            return {}
        return {"logits/real": self.on_real.logits, "logits/fake": self.on_fake.logits}


class GAN(AdversarialModule):
    """A generator against a discriminator, with any networks, loss and penalties.

    Args:
        generator: maps latents (N, dim) to images (N, C, H, W) in [-1, 1].
        discriminator: maps images to a DiscriminatorOutput with logits (N,).
        latent: distribution of the latents.
        loss: both sides of the adversarial loss.
        penalty: penalties (terms) and constraints (projections) by name, each of the player that it names.
        n_critic: discriminator updates per generator update; a number >= 1 or a schedule.
    """

    Play = ImagePlay

    def __init__(
        self,
        *,
        generator: nn.Module,
        discriminator: nn.Module,
        latent: Latent,
        loss: Loss,
        penalty: Mapping[str, Any],
        n_critic: Scalar = 1,
    ) -> None:
        super().__init__(n_critic=n_critic)
        self.generator = generator
        self.discriminator = discriminator
        self.latent = latent
        self.adversarial = loss
        self.constraints = {
            k: cast(Constraint, p) for k, p in penalty.items() if hasattr(p, "project")
        }
        check_players("penalty", penalty, PLAYERS)
        self.keep(
            {"loss": loss, "latent": latent, **{f"penalty_{k}": p for k, p in penalty.items()}}
        )
        self.penalties = {k: p for k, p in penalty.items() if k not in self.constraints}
        self.weights = {
            k: schedule(p.weight, f"penalty.{k}.weight") for k, p in self.penalties.items()
        }
        for name, weight in self.weights.items():
            in_range(f"penalty.{name}.weight", min(weight.ends()), low=0)

    def players(self) -> Sequence[PlayerSpec]:
        """The discriminator and the generator, which an EMA follows."""
        return [
            PlayerSpec(
                "discriminator",
                "discriminator",
                {"discriminator": self.discriminator},
                constraints=list(parts_of("discriminator", self.constraints).values()),
            ),
            PlayerSpec(
                "generator",
                "generator",
                {"generator": self.generator},
                constraints=list(parts_of("generator", self.constraints).values()),
                averaged=True,
            ),
        ]

    def steps(self) -> Sequence[Step]:
        """The discriminator's step and its lazy penalties, then the generator's."""
        steps: list[Step] = []
        for player, loss in zip(
            PLAYERS, (self._discriminator_loss, self._generator_loss), strict=True
        ):
            penalties = {
                name: (Term(p, self.weights[name], frozenset(p.differentiates)), p.every)
                for name, p in parts_of(player, self.penalties).items()
            }
            steps += steps_of(player, {"adversarial": Term(loss)}, penalties)
        return steps

    def _discriminator_loss(self, play: ImagePlay) -> Tensor:
        real, fake = play.on_real.logits, play.on_fake.logits
        if chance := self.adversarial.label_flipping:
            real, fake = flipped(real, fake, play.uniform("label_flipping", (play.size,)) < chance)
        return self.adversarial.discriminator(real, fake)

    def _generator_loss(self, play: ImagePlay) -> Tensor:
        real = play.on_real.logits if self.adversarial.needs_real else None
        return self.adversarial.generator(play.on_fake.logits, real)

    @property
    def latent_dim(self) -> int:
        """Numbers per latent."""
        return self.latent.dim

    @torch.no_grad()
    def generate(
        self, networks: Mapping[str, nn.Module], latents: Tensor, labels: Tensor | None = None
    ) -> Tensor:
        """Images (N, C, H, W) in [-1, 1] from standard normal numbers (N, dim)."""
        del labels
        return networks["generator"](self.latent.from_normal(latents)).float()

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
        return found


def has_batch_norm(network: nn.Module) -> bool:
    """Whether images meet inside in batch statistics."""
    return any(isinstance(module, _BatchNorm) for module in network.modules())
