"""Laws of points of a plane that papers try their losses on: Gaussians on a ring or a grid, and a roll."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range, one_of
from gan_lab.data.facts import Facts, image_facts
from gan_lab.data.point_set import PointSet, point_set
from gan_lab.data.sets.options import check_split

SPLITS = {"train": 0, "test": 1}
RADIUS, STEP = 2.0, 2.0  # of the ring, and between neighbours on the grid, in the papers' units
DEVIATIONS = {"ring": 0.02, "grid": 0.05}
TURNS, REACH = (
    (0.75, 2.25),
    16.0,
)  # the roll's angles, and half the side of the square that it is scaled from


class _Points:
    """What the laws share: splits, facts, a size.

    Args:
        size: points to train on, >= 1; as many others are held out as `test`.
    """

    name: str
    splits: tuple[str, ...] = tuple(SPLITS)
    records = "points"
    flip = False
    resolution, channels = 1, 2

    def __init__(self, size: int) -> None:
        in_range("size", size, low=1)
        self.size = size

    @property
    def facts(self) -> Facts:
        """Those of images of one pixel with two channels."""
        return image_facts(resolution=self.resolution, channels=self.channels)

    def load(self, split: str) -> PointSet:
        """Draw a split; it is the same each time, whatever the seed of the run."""
        check_split(self.name, split, self.splits)
        draw = torch.Generator().manual_seed(SPLITS[split])
        return point_set(self.name, split, self.drawn(draw))

    def drawn(self, draw: torch.Generator) -> Tensor:
        """Points (size, 2) in [-1, 1]."""
        raise NotImplementedError


class Gaussians(_Points):
    """Gaussians of one deviation, all equally often, with centres on a ring or a square grid.

    Unrolled GAN, arXiv:1611.02163, section 3.1, has a ring of 8 with radius 2 and deviation 0.02. PacGAN,
    arXiv:1712.04086, section 4.1, has a grid of 25, two apart, with deviation 0.05. Points are scaled so that
    all lies in [-1, 1].

    Args:
        shape: ring or grid.
        count: of centres, >= 1; on a grid a square number.
        deviation: in the papers' units, > 0; None is the papers' of the shape.
        size: points to train on, >= 1; as many others are held out as `test`.
    """

    name = "gaussians"

    def __init__(
        self,
        *,
        shape: str = "ring",
        count: int = 8,
        deviation: float | None = None,
        size: int = 50_000,
    ) -> None:
        super().__init__(size)
        one_of("shape", shape, tuple(DEVIATIONS))
        in_range("count", count, low=1)
        deviation = DEVIATIONS[shape] if deviation is None else deviation
        in_range("deviation", deviation, above=0)
        side = math.isqrt(count)
        if shape == "grid" and side**2 != count:
            raise ConfigError(
                f"count={count}: a grid has as many rows as columns; use 9, 16, 25 or so."
            )
        self.shape, self.count = shape, count
        widest = RADIUS if shape == "ring" else STEP * (side - 1) / 2
        # Five deviations beyond the outermost centre there is next to nothing, and a margin keeps off tanh's ends.
        self.scale = 0.9 / (widest + 5 * deviation)
        self.deviation = deviation * self.scale

    @functools.cached_property
    def centres(self) -> Tensor:
        """Shape (count, 2), as they lie in [-1, 1]."""
        if self.shape == "ring":
            angle = torch.arange(self.count) * (2 * math.pi / self.count)
            return self.scale * RADIUS * torch.stack([angle.cos(), angle.sin()], dim=1)
        side = math.isqrt(self.count)
        line = (torch.arange(side) - (side - 1) / 2) * STEP * self.scale
        return torch.cartesian_prod(line, line)

    def drawn(self, draw: torch.Generator) -> Tensor:
        """Points (size, 2), their centres drawn at random."""
        which = torch.randint(self.count, (self.size,), generator=draw)
        noise = torch.randn(self.size, 2, generator=draw)
        return (self.centres[which] + self.deviation * noise).clamp(-1, 1)


class SwissRoll(_Points):
    """t (cos t, sin t) with noise: the roll of arXiv:1704.00028, figure 2, seen from the side.

    Args:
        deviation: of the noise, >= 0, where the roll's radius goes from 4.7 to 14.1.
        size: points to train on, >= 1; as many others are held out as `test`.
    """

    name = "swiss_roll"

    def __init__(self, *, deviation: float = 0.25, size: int = 50_000) -> None:
        super().__init__(size)
        in_range("deviation", deviation, low=0)
        self.deviation = deviation

    def drawn(self, draw: torch.Generator) -> Tensor:
        """Points (size, 2), uniform in the angle t."""
        low, high = (2 * math.pi * turns for turns in TURNS)
        t = low + (high - low) * torch.rand(self.size, generator=draw)
        noise = self.deviation * torch.randn(self.size, 2, generator=draw)
        return ((t[:, None] * torch.stack([t.cos(), t.sin()], dim=1) + noise) / REACH).clamp(-1, 1)
