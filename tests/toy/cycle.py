"""CycleGAN, as somebody outside gan_lab writes a game on images of two kinds that are not paired: arXiv:1703.10593.

Two translators play against two judges. The fakes are carried from the translators' step to that of the judges, who
see some of earlier rounds from a pool. A sample is made of a source image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar
from gan_lab.engine.asking import NOTHING, Ask, Shown, asked
from gan_lab.engine.module import AdversarialModule
from gan_lab.engine.play import Play
from gan_lab.engine.player import PlayerSpec
from gan_lab.engine.schedule import schedule
from gan_lab.engine.step import Step, Term
from gan_lab.games.pool import ImagePool
from gan_lab.losses.adversarial import Loss
from gan_lab.networks.output import DiscriminatorOutput

DIRECTIONS = ("a to b", "b to a")
VIEWS = ("source", "translated", "back")


class Block(nn.Module):
    """x + F(x) with instance normalisation: arXiv:1703.10593, appendix 7.2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect", bias=False),
            nn.InstanceNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect", bias=False),
            nn.InstanceNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map planes (N, width, H, W) to the same shape."""
        return x + self.layers(x)


class Translator(nn.Module):
    """Images to images of the same size: halved, changed in blocks, doubled.

    Args:
        channels: of the images.
        width: channels inside, >= 1.
        blocks: residual blocks, >= 0.
    """

    def __init__(self, *, channels: int, width: int = 16, blocks: int = 2) -> None:
        super().__init__()
        in_range("width", width, low=1)
        in_range("blocks", blocks, low=0)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 4, stride=2, padding=1, bias=False),
            nn.InstanceNorm2d(width),
            nn.ReLU(),
            *(Block(width) for _ in range(blocks)),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(width, channels, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) in [-1, 1] to others."""
        return self.layers(images)


class PatchJudge(nn.Module):
    """Judges every patch of an image by itself: arXiv:1611.07004, section 3.2.2.

    Args:
        channels: of the images.
        width: channels inside, >= 1.
    """

    def __init__(self, *, channels: int, width: int = 16) -> None:
        super().__init__()
        in_range("width", width, low=1)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False),
            nn.InstanceNorm2d(2 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 3, padding=1),
        )

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        """Judge images (N, C, H, W): logits (N, patches)."""
        return DiscriminatorOutput(self.layers(images).flatten(1), None)


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

    @cached_property
    def fake_a(self) -> Tensor:
        """The second kind as the first."""
        return self.game.generator_ba(self.real_b)

    @cached_property
    def fake_b(self) -> Tensor:
        """The first kind as the second."""
        return self.game.generator_ab(self.real_a)

    def from_pool(self, kind: str) -> Tensor:
        """This round's fakes of a kind (`a` or `b`), some of them exchanged for older ones."""
        chances = self.uniform(f"pool_{kind}", (self.size, 2))
        return self.game.pools[kind](self.carried(f"fake_{kind}"), chances)


class CycleGAN(AdversarialModule):
    """Two translators that undo each other, and a judge of each kind of images.

    Args:
        generator_ab: translates the first kind into the second.
        generator_ba: translates the second kind into the first.
        discriminator_a: judges images of the first kind.
        discriminator_b: judges images of the second kind.
        loss: both sides of the adversarial loss.
        resolution: side of the images.
        channels: of the images.
        cycle: weight of the distance between an image and its translation translated back, >= 0 or a schedule.
        identity: weight of the distance between an image and its translation into its own kind, >= 0 or a schedule.
        pool: fakes of each kind that the judges' pools hold, >= 1.
        kept: source images of each kind that are stored with the run for its samples, >= 1.
    """

    Play = CyclePlay
    reads: ClassVar[tuple[str, ...]] = ("images_a", "images_b")

    def __init__(
        self,
        *,
        generator_ab: nn.Module,
        generator_ba: nn.Module,
        discriminator_a: nn.Module,
        discriminator_b: nn.Module,
        loss: Loss,
        resolution: int,
        channels: int,
        cycle: Scalar = 10.0,
        identity: Scalar = 5.0,
        pool: int = 50,
        kept: int = 16,
    ) -> None:
        super().__init__()
        in_range("kept", kept, low=1)
        self.generator_ab, self.generator_ba = generator_ab, generator_ba
        self.discriminator_a, self.discriminator_b = discriminator_a, discriminator_b
        self.adversarial = loss
        self.weights = {
            "cycle": schedule(cycle, "model.cycle"),
            "identity": schedule(identity, "model.identity"),
        }
        for name, weight in self.weights.items():
            in_range(name, min(weight.ends()), low=0)
        shape = (channels, resolution, resolution)
        self.pools = nn.ModuleDict({kind: ImagePool(pool, shape) for kind in ("a", "b")})
        for kind in ("a", "b"):
            self.register_buffer(f"kept_{kind}", torch.zeros(kept, *shape, dtype=torch.uint8))

    def players(self) -> Sequence[PlayerSpec]:
        """Both translators, which an EMA follows, and both judges."""
        generators = {"ab": self.generator_ab, "ba": self.generator_ba}
        judges = {"a": self.discriminator_a, "b": self.discriminator_b}
        return [
            PlayerSpec("generators", "generator", generators, averaged=True),
            PlayerSpec("discriminators", "discriminator", judges),
        ]

    def steps(self) -> Sequence[Step]:
        """The translators' step, then that of the judges, on the fakes of the first."""
        terms = {"adversarial": Term(self.fooling)}
        terms |= {name: Term(getattr(self, name), w) for name, w in self.weights.items()}
        return [
            Step("generators", terms),
            Step("discriminators", {"adversarial": Term(self.judging)}),
        ]

    def fooling(self, play: CyclePlay) -> Tensor:
        """Both translations shall look real; they are carried to the judges' step."""
        play.carry("fake_a", play.fake_a)
        play.carry("fake_b", play.fake_b)
        on_a, on_b = self.discriminator_a(play.fake_a), self.discriminator_b(play.fake_b)
        return self.adversarial.generator(on_a.logits) + self.adversarial.generator(on_b.logits)

    def cycle(self, play: CyclePlay) -> Tensor:
        """Translated there and back, an image shall be what it was: arXiv:1703.10593, eq. 2."""
        back_a, back_b = self.generator_ba(play.fake_b), self.generator_ab(play.fake_a)
        return (back_a - play.real_a).abs().mean() + (back_b - play.real_b).abs().mean()

    def identity(self, play: CyclePlay) -> Tensor:
        """An image translated into its own kind shall stay: arXiv:1703.10593, section 5.2."""
        same_a, same_b = self.generator_ba(play.real_a), self.generator_ab(play.real_b)
        return (same_a - play.real_a).abs().mean() + (same_b - play.real_b).abs().mean()

    def judging(self, play: CyclePlay) -> Tensor:
        """Each judge tells reals of its kind from fakes, of which some are older."""
        losses = [
            self.adversarial.discriminator(judge(real).logits, judge(play.from_pool(kind)).logits)
            for kind, judge, real in (
                ("a", self.discriminator_a, play.real_a),
                ("b", self.discriminator_b, play.real_b),
            )
        ]
        return losses[0] + losses[1]

    # Samples --------------------------------------------------------------------------------

    latent_dim = 0  # a sample is made of an image

    def prepare(self, data: Any) -> None:
        """Keep images of each kind, evenly over the training split, for samples to be made of."""
        for kind in ("a", "b"):
            images, kept = data.columns[f"images_{kind}"].values, getattr(self, f"kept_{kind}")
            rows = torch.arange(len(kept)) * len(images) // len(kept)
            kept.copy_(images[rows])

    def questions(self) -> Mapping[str, Sequence[str]]:
        """Which way it is translated, and what of that is shown."""
        return {"direction": DIRECTIONS, "view": VIEWS}

    def picture(self, count: int) -> Shown:
        """For each direction a row of sources, one of their translations, and one of these translated back."""
        rows, views = len(DIRECTIONS) * len(VIEWS), len(VIEWS)
        columns = max(count // rows, 2)
        shown = [row for row in range(rows) for _ in range(columns)]
        ask = {
            "direction": [row // views for row in shown],
            "view": [row % views for row in shown],
            "latents": list(range(columns)),
        }
        return Shown(rows * columns, columns, ask)

    def inputs(self, indices: Sequence[int], *, seed: int, ask: Ask = NOTHING) -> dict[str, Tensor]:
        """Source images in turn, from that of the seed's number on; by default the first kind, translated."""
        rows = [
            (row + seed) % self.kept_a.shape[0] for row in asked(ask, "latents", indices) or indices
        ]
        direction = torch.tensor(asked(ask, "direction", indices) or [0] * len(rows))
        view = torch.tensor(asked(ask, "view", indices) or [1] * len(rows))
        kept = torch.stack([self.kept_a, self.kept_b]).cpu()
        return {"images": kept[direction, rows], "direction": direction, "view": view}

    @torch.no_grad()
    def generate(self, networks: Mapping[str, nn.Module], inputs: Mapping[str, Tensor]) -> Tensor:
        """Images (N, C, H, W) in [-1, 1] of sources, uint8 (N, C, H, W), and what is asked of each (N,)."""
        images = inputs["images"].float() / 127.5 - 1
        shown = []
        for there, back in (("ab", "ba"), ("ba", "ab")):
            translated = networks[there](images)
            shown += [images, translated, networks[back](translated)]
        wanted = len(VIEWS) * inputs["direction"] + inputs["view"]
        every = torch.arange(len(images), device=images.device)
        return torch.stack(shown, dim=1)[every, wanted].float()
