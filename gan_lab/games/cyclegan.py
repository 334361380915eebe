"""CycleGAN, arXiv:1703.10593: two kinds of images that are not paired, each translated into the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar
from gan_lab.engine.asking import Shown
from gan_lab.engine.play import Play, lazy
from gan_lab.engine.player import PlayerSpec
from gan_lab.engine.schedule import schedule
from gan_lab.engine.step import Step, Term, check_players, steps_of
from gan_lab.games.pool import ImagePool
from gan_lab.games.sides import Side, of_both, owned_penalties
from gan_lab.games.translation import Translation, generators_first
from gan_lab.losses.adversarial import Loss

KINDS = ("a", "b")
DIRECTIONS = ("a to b", "b to a")


class CyclePlay(Play):
    """Two kinds of images, their translations, and these translated back."""

    @property
    def real_a(self) -> Tensor:
        """Reals of the first kind (N, C, H, W) in [-1, 1]."""
        return self.batch["images_a"]

    @property
    def real_b(self) -> Tensor:
        """Reals of the second kind."""
        return self.batch["images_b"]

    @lazy
    def fake_a(self) -> Tensor:
        """The second kind as the first."""
        return self.game.generator_ba(self.real_b)

    @lazy
    def fake_b(self) -> Tensor:
        """The first kind as the second."""
        return self.game.generator_ab(self.real_a)

    @lazy
    def sides(self) -> Mapping[str, Side]:
        """What each discriminator sees in its own step: reals, and fakes of which some are of earlier rounds."""
        found = {}
        for kind in KINDS:
            name = f"fake_{kind}"
            fakes = self.carried(name) if self.follows else getattr(self, name)
            if kind in self.game.pools and self.step.every == 1:
                fakes = self.game.pools[kind](fakes, self.uniform(f"pool_{kind}", (self.size, 2)))
            judge = getattr(self.game, f"discriminator_{kind}")
            found[kind] = Side(self, kind, judge, self.batch[f"images_{kind}"], fakes)
        return found

    def observe(self) -> Mapping[str, Tensor]:
        """Logits of reals and fakes of both kinds, in the discriminators' main step."""
        if self.step.player != "discriminators" or "adversarial" not in self.step.terms:
            return {}
        found = {}
        for kind, side in self.sides.items():
            found[f"logits/real_{kind}"] = side.on_real.logits
            found[f"logits/fake_{kind}"] = side.on_fake.logits
        return found


class CycleGAN(Translation):
    """Two generators that undo each other, and a discriminator of each kind of images.

    Args:
        generator_ab: translates the first kind into the second.
        generator_ba: translates the second kind into the first.
        discriminator_a: judges images of the first kind.
        discriminator_b: judges images of the second kind.
        loss: both sides of the adversarial loss.
        penalty: penalties of the discriminators, by name; each is taken of both.
        resolution: side of the images.
        channels: of the images.
        cycle: weight of the distance between an image and its translation translated back, >= 0 or a schedule.
        identity: weight of the distance between an image and its translation into its own kind, >= 0 or a schedule.
        pool: fakes of each kind that the discriminators' pools hold, >= 0.
        kept: rows that the run's grids show, >= 1.
        n_critic: discriminator updates per generator update; a number >= 1 or a schedule.
    """

    Play = CyclePlay
    reads: ClassVar[tuple[str, ...]] = ("images_a", "images_b")
    sources: ClassVar[tuple[str, ...]] = ("images_a", "images_b")
    views: ClassVar[tuple[str, ...]] = ("source", "translated", "back")

    def __init__(
        self,
        *,
        generator_ab: nn.Module,
        generator_ba: nn.Module,
        discriminator_a: nn.Module,
        discriminator_b: nn.Module,
        loss: Loss,
        penalty: Mapping[str, Any],
        resolution: int,
        channels: int,
        cycle: Scalar = 10.0,
        identity: Scalar = 5.0,
        pool: int = 50,
        kept: int = 16,
        n_critic: Scalar = 1,
    ) -> None:
        super().__init__(n_critic=n_critic)
        in_range("pool", pool, low=0)
        self.generator_ab, self.generator_ba = generator_ab, generator_ba
        self.discriminator_a, self.discriminator_b = discriminator_a, discriminator_b
        self.adversarial = loss
        self.weights = {
            "cycle": schedule(cycle, "model.cycle"),
            "identity": schedule(identity, "model.identity"),
        }
        for name, weight in self.weights.items():
            in_range(f"model.{name}", min(weight.ends()), low=0)
        check_players("penalty", penalty, ("discriminator",))
        self.penalties = owned_penalties(self, penalty)
        shape = (channels, resolution, resolution)
        self.pools = nn.ModuleDict({kind: ImagePool(pool, shape) for kind in KINDS if pool})
        self.keep_places(kept, dict.fromkeys(self.sources, shape))

    def players(self) -> Sequence[PlayerSpec]:
        """Both generators, which an EMA follows, and both discriminators."""
        generators = {"ab": self.generator_ab, "ba": self.generator_ba}
        judges = {"a": self.discriminator_a, "b": self.discriminator_b}
        return [
            PlayerSpec("generators", "generator", generators, averaged=True),
            PlayerSpec(
                "discriminators", "discriminator", judges, constraints=self.penalties.constraints
            ),
        ]

    def steps(self) -> Sequence[Step]:
        """The generators' step, then that of the discriminators, on the fakes of the first."""
        terms = {"adversarial": Term(self.fooling)}
        terms |= {
            name: Term(getattr(self, name), weight)
            for name, weight in self.weights.items()
            if max(weight.ends()) > 0
        }
        judging = {"adversarial": Term(self.judging)}
        fooling = Step("generators", terms)
        judges = steps_of("discriminators", judging, self.penalties.terms(of_both))
        return generators_first([*judges, fooling], "generators", ("fake_a", "fake_b"))

    def fooling(self, play: CyclePlay) -> Tensor:
        """Both translations shall look real."""
        losses = []
        for kind in KINDS:
            fake, judge = getattr(play, f"fake_{kind}"), getattr(self, f"discriminator_{kind}")
            real = (
                judge(play.batch[f"images_{kind}"]).logits if self.adversarial.needs_real else None
            )
            losses.append(self.adversarial.generator(judge(fake).logits, real))
        return losses[0] + losses[1]

    def cycle(self, play: CyclePlay) -> Tensor:
        """Translated there and back, an image shall be what it was: arXiv:1703.10593, eq. 2."""
        back_a, back_b = self.generator_ba(play.fake_b), self.generator_ab(play.fake_a)
        return (back_a - play.real_a).abs().mean() + (back_b - play.real_b).abs().mean()

    def identity(self, play: CyclePlay) -> Tensor:
        """An image translated into its own kind shall stay: arXiv:1703.10593, section 5.2."""
        same_a, same_b = self.generator_ba(play.real_a), self.generator_ab(play.real_b)
        return (same_a - play.real_a).abs().mean() + (same_b - play.real_b).abs().mean()

    def judging(self, play: CyclePlay) -> Tensor:
        """Each discriminator tells reals of its kind from fakes; the sum is halved, as in the paper's section 7.1."""
        losses = [
            self.adversarial.discriminator(side.on_real.logits, side.on_fake.logits)
            for side in play.sides.values()
        ]
        return (losses[0] + losses[1]) / 2

    # Samples --------------------------------------------------------------------------------

    def questions(self) -> Mapping[str, Sequence[str]]:
        """Which way it is translated, and what of that is shown."""
        return {"direction": DIRECTIONS, **super().questions()}

    def picture(self, count: int) -> Shown:
        """Half of the lines one way, half the other; in each a source, its translation, and that translated back."""
        half = super().picture(max(count // 2, 1))
        directions = [way for way in range(len(DIRECTIONS)) for _ in range(half.count)]
        ask = {name: [*values, *values] for name, values in half.ask.items()}
        return Shown(2 * half.count, half.columns, {**ask, "direction": directions})

    def translation(
        self, networks: Mapping[str, nn.Module], source: Tensor, ask: Mapping[str, int]
    ) -> Tensor:
        """The one network or the other."""
        found: Tensor = networks[("ab", "ba")[ask.get("direction", 0)]](source)
        return found

    def generate(self, networks: Mapping[str, nn.Module], inputs: Mapping[str, Tensor]) -> Tensor:
        """Images (N, C, H, W) in [-1, 1]: for each row the direction and the view (N,) that are asked for."""
        found = None
        for way, (there, back, kind) in enumerate((("ab", "ba", "a"), ("ba", "ab", "b"))):
            rows = inputs["direction"] == way
            if not bool(rows.any()):
                continue
            source, view = inputs[f"images_{kind}"][rows], inputs["view"][rows]
            made = networks[there](source)
            back_again = networks[back](made) if bool((view == 2).any()) else made
            every = torch.stack([source, made, back_again], dim=1).float()
            shown = every[torch.arange(len(made), device=made.device), view]
            found = (
                inputs[f"images_{kind}"].new_zeros(len(rows), *shown.shape[1:])
                if found is None
                else found
            )
            found[rows] = shown
        assert found is not None, "every row has a direction"
        return found
