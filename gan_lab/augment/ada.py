"""Adaptive discriminator augmentation (ADA): many changes of images, each with a chance that training sets.

Training Generative Adversarial Networks with Limited Data, arXiv:2006.06676, sections 2 and 3, appendix B.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gan_lab.augment.adaptive import Adaptive
from gan_lab.augment.bands import BANDS, Bands
from gan_lab.augment.colours import (
    brightening,
    coloured,
    contrasting,
    flipping,
    saturating,
    turning,
)
from gan_lab.augment.geometry import Warp, copied, rotation, scaling, translation
from gan_lab.augment.part import Draw
from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import one_of
from gan_lab.common.scalars import Scalar

GROUPS = ("blit", "geometric", "color", "filter", "noise", "cutout")
USUAL = ("blit", "geometric", "color")  # what the paper keeps, section 2.3 and table 1
SHIFT = 0.125  # of the size: the largest move by whole pixels, and the deviation of others
SCALE, CONTRAST, SATURATION, GAIN = 0.2, 0.5, 1.0, 1.0  # deviations of the base-2 logarithms
BRIGHTNESS, NOISE = 0.2, 0.1  # deviations, of pixels in [-1, 1]
CUTOUT = 0.5  # of the size: the sides of the rectangle


class Chances:
    """What one set of images draws: for each change in turn, whether it happens to an image, and how much.

    Args:
        draw: the random numbers.
        group: for whose changes.
        count: of these.
        images: N.
        p: the chance of each.
    """

    def __init__(self, draw: Draw, group: str, count: int, images: int, p: float | Tensor) -> None:
        self.p = p
        self._whether = iter(draw.uniform(f"{group}/whether", (images, count)).unbind(dim=1))
        self._uniform = iter(draw.uniform(f"{group}/uniform", (images, count + 1)).unbind(dim=1))
        self._normal = iter(draw.normal(f"{group}/normal", (images, count)).unbind(dim=1))

    def happens(self, p: float | Tensor | None = None) -> Tensor:
        """Whether the next change happens, (N,), 1 or 0."""
        return (next(self._whether) < (self.p if p is None else p)).float()

    def uniform(self, low: float, high: float) -> Tensor:
        """Numbers (N,) uniform in [low, high)."""
        return low + (high - low) * next(self._uniform)

    def normal(self, deviation: float) -> Tensor:
        """Normal numbers (N,)."""
        return deviation * next(self._normal)

    def factor(self, deviation: float) -> Tensor:
        """2 to the power of a normal number where the next change happens, and else 1."""
        return torch.exp2(self.happens() * self.normal(deviation))


class ADA(Adaptive):
    """Six groups of changes in the paper's order; each change happens to an image with the chance p.

    Args:
        groups: of blit (mirrors, quarter turns, moves by whole pixels), geometric (scales, turns, stretches, moves),
            color (brightness, contrast, mirrored lightness, hue, saturation), filter (bands of frequencies), noise
            and cutout. Their order is the paper's, whatever the order here.
        target: of the mean sign of the reals' logits, in [-1, 1].
        kimg: thousands of images in which p goes from 0 to 1 at the fastest, > 0.
        every: updates of the discriminator between moves of p, >= 1.
        start: the first p, in [0, 1].
        fixed: p itself, in [0, 1], or a schedule; None lets it follow the target.
        channels: of the images; colours change those of 1 or 3 channels.
    """

    def __init__(
        self,
        *,
        channels: int,
        groups: tuple[str, ...] = USUAL,
        target: float = 0.6,
        kimg: float = 500.0,
        every: int = 4,
        start: float = 0.0,
        fixed: Scalar | None = None,
    ) -> None:
        super().__init__(target=target, kimg=kimg, every=every, start=start, fixed=fixed)
        for group in groups:
            one_of("groups", group, GROUPS)
        if "color" in groups and channels not in (1, 3):
            raise ConfigError(
                f"groups=color: changes images of 1 or 3 channels, not of {channels}."
            )
        self.groups = tuple(group for group in GROUPS if group in groups)
        self.warp = Warp()
        self.bands = Bands()

    def forward(self, images: Tensor, draw: Draw) -> Tensor:
        """Map images (N, C, H, W) to changed ones, no longer bounded, in float32 or finer."""
        with torch.autocast(images.device.type, enabled=False):
            images = images.to(torch.promote_types(images.dtype, torch.float32))
            images = self._moved(images, draw)
            if "color" in self.groups:
                images = coloured(images, self._colours(images, draw))
            if "filter" in self.groups:
                images = self.bands(images, self._gains(images, draw))
            if "noise" in self.groups:
                images = self._noisy(images, draw)
            return self._cut(images, draw) if "cutout" in self.groups else images

    def _moved(self, images: Tensor, draw: Draw) -> Tensor:
        """Blits and geometric changes as one matrix; blits alone copy pixels."""
        blits = self._blits(images, draw) if "blit" in self.groups else None
        if "geometric" not in self.groups:
            return images if blits is None else copied(images, blits)
        moves = self._moves(images, draw)
        # A matrix maps results to sources, so that what happens first stands first.
        return self.warp(images, moves if blits is None else blits @ moves)

    def _blits(self, images: Tensor, draw: Draw) -> Tensor:
        """Mirrors, quarter turns and moves by whole pixels, (N, 3, 3) from results to sources."""
        n, _, height, width = images.shape
        of = Chances(draw, "blit", 3, n, self.chance)
        mirror = 1 - 2 * (of.happens() * (of.uniform(0, 2) >= 1))
        found = scaling(mirror, torch.ones_like(mirror))
        quarters = of.happens() * of.uniform(0, 4).floor()
        found = found @ rotation(quarters * (math.pi / 2))
        happens = of.happens()
        x, y = (happens * of.uniform(-SHIFT, SHIFT) * size for size in (width, height))
        return found @ translation(-x.round(), -y.round())

    def _moves(self, images: Tensor, draw: Draw) -> Tensor:
        """Scales, turns, stretches, turns and moves, (N, 3, 3) from results to sources."""
        n, _, height, width = images.shape
        of = Chances(draw, "geometric", 5, n, self.chance)
        moves = Chances(draw, "geometric/move", 2, n, self.chance)
        turned = 1 - (1 - self.chance) ** 0.5  # so that one of two turns happens with the chance p
        factor = 1 / of.factor(SCALE)
        found = scaling(factor, factor)
        found = found @ rotation(of.happens(turned) * of.uniform(-math.pi, math.pi))
        factor = of.factor(SCALE)
        found = found @ scaling(1 / factor, factor)
        found = found @ rotation(of.happens(turned) * of.uniform(-math.pi, math.pi))
        happens = of.happens()
        x, y = (happens * moves.normal(SHIFT) * size for size in (width, height))
        return found @ translation(-x, -y)

    def _colours(self, images: Tensor, draw: Draw) -> Tensor:
        """Brightness, contrast, mirrored lightness, hue and saturation, (N, 4, 4)."""
        of = Chances(draw, "color", 5, len(images), self.chance)
        found = brightening(of.happens() * of.normal(BRIGHTNESS))
        found = contrasting(of.factor(CONTRAST)) @ found
        found = flipping(of.happens() * (of.uniform(0, 2) >= 1)) @ found
        found = turning(of.happens() * of.uniform(-math.pi, math.pi)) @ found
        return saturating(of.factor(SATURATION)) @ found

    def _gains(self, images: Tensor, draw: Draw) -> Tensor:
        """Gains of the bands, (N, 4): after each change the expected power is what it was."""
        of = Chances(draw, "filter", BANDS, len(images), self.chance)
        gains = torch.ones(len(images), BANDS, device=images.device)
        for band in range(BANDS):
            one = torch.arange(BANDS, device=images.device) == band
            changed = torch.where(one, of.factor(GAIN)[:, None], 1.0)
            total = (changed.square() * self.bands.power).sum(dim=1, keepdim=True)
            gains = gains * changed * total.rsqrt()
        return gains

    def _noisy(self, images: Tensor, draw: Draw) -> Tensor:
        of = Chances(draw, "noise", 1, len(images), self.chance)
        deviation = of.happens() * of.normal(NOISE).abs()
        return images + deviation[:, None, None, None] * draw.normal("noise", tuple(images.shape))

    def _cut(self, images: Tensor, draw: Draw) -> Tensor:
        """A rectangle of half the size about a centre anywhere in the image, set to 0."""
        n, _, height, width = images.shape
        of = Chances(draw, "cutout", 1, n, self.chance)
        happens = of.happens()[:, None] > 0
        inside = []
        for size in (height, width):
            place = (torch.arange(size, device=images.device) + 0.5) / size
            inside.append((place - of.uniform(0, 1)[:, None]).abs() < CUTOUT / 2)
        rows, columns = inside
        hidden = (happens & rows)[:, :, None] & columns[:, None, :]
        return images.masked_fill(hidden[:, None], 0.0)
