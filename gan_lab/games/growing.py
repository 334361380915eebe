"""A GAN whose images grow: Progressive Growing of GANs, arXiv:1710.10196."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.engine.asking import NOTHING, Ask, Shown, asked
from gan_lab.engine.clock import KIMG
from gan_lab.engine.dials import Dials
from gan_lab.engine.phases import Phase
from gan_lab.engine.play import lazy
from gan_lab.games.gan import GAN, PLAYERS
from gan_lab.games.images import ImagePlay
from gan_lab.networks.layers.growing import Alpha, doubled, faded
from gan_lab.networks.output import DiscriminatorOutput

SMALLEST = 4  # px, of the first level of networks that grow


class GrowingPlay(ImagePlay):
    """Reals and fakes of the phase's resolution."""

    @property
    def alpha(self) -> Alpha | None:
        """How far the newest level is faded in; None in phases without fading."""
        found: Alpha | None = self.game.alpha if self.phase.setting["fading"] else None
        return found

    def pooled(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) at the phase's resolution, faded as those of the generator are."""
        images = F.avg_pool2d(images, images.shape[-1] // self.phase.setting["side"])
        if self.alpha is None:
            return images
        return faded(doubled(F.avg_pool2d(images, 2)), images, self.alpha)

    @lazy
    def real(self) -> Tensor:
        """Reals (N, C, side, side) in [-1, 1]."""
        return self._differentiable("real", self.pooled(self.batch["images"]))

    @property
    def all_real(self) -> Tensor:
        """Reals of the whole batch."""
        return self.pooled(self.whole["images"])

    def drawn_for(self, network: nn.Module) -> dict[str, Any]:
        """Random numbers as of other games, and how far the generator has grown."""
        grown = {"side": self.phase.setting["side"], "alpha": self.alpha}
        return {**super().drawn_for(network), **grown}

    def judge(
        self, images: Tensor, labels: Tensor | None = None, **how: Any
    ) -> DiscriminatorOutput:
        """The discriminator, which sees the resolution of the images."""
        return super().judge(images, labels, alpha=self.alpha, **how)


class Growing(GAN):
    """A GAN whose images grow by doubling from `first` to the data's resolution.

    A doubling has two phases: in one the new level is faded in, in the next it is trained. Levels whose turn has not
    come get no gradient, so the optimizers leave them alone; their moments begin when they do. Other than in the
    authors' code the moments of older levels go on. Samples have the data's resolution: smaller images are enlarged by
    repeating their pixels, and so are they for metrics, which compare them with the reals.

    Args:
        resolution: of the data.
        first: resolution of the first phase, a power of 2; None is the data's, without growth.
        phase_kimg: thousands of images of each phase without fading, > 0; the last lasts to the end.
        fade_kimg: thousands of images in which a new level is faded in, > 0.
        batches: images in a batch at each resolution in turn, the last of them at all that follow; None is the run's.
        rates: factors of the learning rates, likewise; None is 1.
        parts: the others, as of a GAN; the generator takes `side` and `alpha` too, and the discriminator images of any
            side, and `alpha`.

    Raises:
        ConfigError: where the networks do not grow, a resolution is none of the phases', or as of a GAN.
    """

    Play = GrowingPlay

    def __init__(
        self,
        *,
        resolution: int,
        first: int | None = 4,
        phase_kimg: float = 600.0,
        fade_kimg: float = 600.0,
        batches: Sequence[int] | None = None,
        rates: Sequence[float] | None = None,
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        check_growing(generator=self.generator, discriminator=self.discriminator)
        in_range("phase_kimg", phase_kimg, above=0)
        in_range("fade_kimg", fade_kimg, above=0)
        self.sides = sides_of(resolution, first)
        self.phase_kimg, self.fade_kimg = phase_kimg, fade_kimg
        self.batches = self._by_side("batches", batches, low=1)
        self.rates_by_side = self._by_side("rates", rates, low=0)
        self.alpha: Alpha = 1.0

    def _by_side(self, name: str, given: Sequence[float] | None, *, low: float) -> dict[int, Any]:
        """Numbers by resolution."""
        numbers = list(given or ())
        for number in numbers:
            in_range(name, number, low=low)
        if len(numbers) > len(self.sides):
            grown = ", ".join(map(str, self.sides))
            raise ConfigError(
                f"{name}={numbers}: are more than the resolutions, which are {grown}."
            )
        return {
            side: numbers[min(index, len(numbers) - 1)]
            for index, side in enumerate(self.sides)
            if numbers
        }

    def phases(self) -> Sequence[Phase]:
        """For each resolution but the first one in which its level is faded in, and one behind it."""
        found, begin = [], 0.0
        for side in self.sides:
            for fading in (True, False):
                if fading and side == self.sides[0]:
                    continue
                last = side == self.sides[-1] and not fading
                kimg = self.fade_kimg if fading else float("inf") if last else self.phase_kimg
                found.append(self._phase(side, fading=fading, kimg=kimg, begin=begin))
                begin += kimg
        return found

    def _phase(self, side: int, *, fading: bool, kimg: float, begin: float) -> Phase:
        factor = self.rates_by_side.get(side, 1.0)
        return Phase(
            self.steps(),
            kimg=kimg,
            name=f"{side} x {side}{', faded in' if fading else ''}",
            rates=dict.fromkeys(PLAYERS, factor),
            batch_size=self.batches.get(side),
            setting={"side": side, "fading": fading, "begin_kimg": begin},
        )

    def alpha_at(self, images_seen: int) -> float:
        """How far the newest level is faded in after so many images, in [0, 1]."""
        setting = self.timeline.at(images_seen).setting
        if not setting["fading"]:
            return 1.0
        return min((images_seen / KIMG - setting["begin_kimg"]) / self.fade_kimg, 1.0)

    def set_dials(self, images_seen: int, dials: Dials) -> None:
        """Set the alpha of now, beside what other games set."""
        super().set_dials(images_seen, dials)
        self.alpha = dials.set("alpha", self.alpha_at(images_seen))

    # Samples --------------------------------------------------------------------------------

    def grown_sides(self) -> list[int]:
        """The resolutions up to that of now."""
        side = self.timeline.at(self.clock.images_seen).setting["side"]
        return [one for one in self.sides if one <= side]

    def questions(self) -> Mapping[str, Sequence[str]]:
        """The resolution, where there are several by now, beside what other games are asked."""
        sides = self.grown_sides()
        more = {"resolution": [str(side) for side in sides]} if len(sides) > 1 else {}
        return {**super().questions(), **more}

    def picture(self, count: int) -> Shown:
        """That of other games: a grid shows the resolution of now."""
        others = [name for name in self.questions() if name != "resolution"]
        return super().picture(count) if others else Shown(count)

    def inputs(self, indices: Sequence[int], *, seed: int, ask: Ask = NOTHING) -> dict[str, Tensor]:
        """Those of other games, and the sides (N,) that samples shall be made at, where somebody asks."""
        found = super().inputs(indices, seed=seed, ask=ask)
        values = asked(ask, "resolution", indices)
        if values is not None:
            sides = self.grown_sides()
            found["sides"] = torch.tensor([sides[value] for value in values])
        return found

    @torch.no_grad()
    def generate(self, networks: Mapping[str, nn.Module], inputs: Mapping[str, Tensor]) -> Tensor:
        """Images (N, C, H, W) in [-1, 1] of the data's resolution, pixels of smaller ones repeated."""
        inputs = dict(inputs)
        wanted = inputs.pop("sides", None)
        if wanted is None:
            seen = self.clock.images_seen
            now = self.timeline.at(seen).setting
            return self._made(
                networks, inputs, now["side"], self.alpha_at(seen) if now["fading"] else None
            )
        found: dict[int, Tensor] = {}
        for side in wanted.unique().tolist():
            rows = (wanted == side).nonzero()[:, 0]
            part = {name: tensor[rows] for name, tensor in inputs.items()}
            images = self._made(networks, part, side, None)
            found |= zip(rows.tolist(), images, strict=True)
        return torch.stack([found[row] for row in range(len(wanted))])

    def _made(
        self,
        networks: Mapping[str, nn.Module],
        inputs: Mapping[str, Tensor],
        side: int,
        alpha: float | None,
    ) -> Tensor:
        images = self.made(networks["generator"], inputs, side=side, alpha=alpha)
        times = self.sides[-1] // side
        return images.repeat_interleave(times, dim=2).repeat_interleave(times, dim=3)


def sides_of(resolution: int, first: int | None) -> list[int]:
    """The resolutions of a run's phases: from `first` by doubling to that of the data.

    Raises:
        ConfigError: where doubling does not lead there.
    """
    side = resolution if first is None else first
    found = [side]
    while found[-1] < resolution:
        found.append(2 * found[-1])
    if side < SMALLEST or found[-1] != resolution:
        raise ConfigError(
            f"first={first}: images grow by doubling from it to data.resolution={resolution}; set 4, 8 and so on, or "
            "null."
        )
    return found


def check_growing(**networks: nn.Module) -> None:
    """Refuse networks of one resolution.

    Raises:
        ConfigError: saying which would fit.
    """
    for name, network in networks.items():
        if not getattr(network, "grows", False):
            raise ConfigError(
                f"{name}: is for one resolution, and this model needs one that grows; choose another, such as "
                f"{name}=progressive."
            )
