"""How well images move when their generator is told to move them: for generators without fixed places."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from gan_lab.common.ranges import in_range
from gan_lab.metrics.score import Metric, about_images
from gan_lab.metrics.views import Fakes, Reals

SEED = 0x5EED  # of the shifts
RANGE = 2.0  # of pixels in [-1, 1]
LEAST = 1e-10  # a smaller mean square counts as this one: 106 decibels


class Equivariance(Metric):
    """EQ-T in decibels: the image of a moved input against the image moved, where both show it; higher is better.

    Alias-Free Generative Adversarial Networks, arXiv:2106.12423, section 2.3, eq. 3, and appendix E.1: 10 log10(I^2 /
    E[(g(t[z0]; w) - t[g(z0; w)])^2]), where I is the range of pixels, over shifts t by whole pixels. Each sample has
    one shift, uniform in each direction. Beside it stands, in the protocol, what images get that do not move at all.

    Args:
        every_kimg: evaluate when so many thousand training images were seen; 0 for the end only.
        num_samples: generated images; the paper has 50,000.
        reach: largest shift, in sides of the image, (0, 0.5]; the paper has 1/8.
    """

    key = "metric/eq_t"
    lower_is_better: ClassVar[bool] = False
    draws_again: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset({"translations"})

    def __init__(
        self, *, every_kimg: float = 50, num_samples: int = 1000, reach: float = 0.125
    ) -> None:
        super().__init__(every_kimg=every_kimg, num_samples=num_samples)
        in_range("reach", reach, above=0, high=0.5)
        self.reach = reach

    def look_at(self, reals: Reals) -> None:
        """Note how it is measured; reals are not looked at."""
        self.protocol = {
            **about_images(reals, 0), "reals": "none", "num_samples": self.num_samples, "shifts": "whole pixels",
            "reach": self.reach, "pixels": "not rounded, in [-1, 1]",
        }  # fmt: skip

    def reset(self) -> None:
        """Forget the fakes, and draw the shifts."""
        draw = torch.Generator().manual_seed(SEED)
        # All at once, so that they do not depend on the size of batches.
        self.shares = (2 * torch.rand(self.num_samples, 2, generator=draw) - 1) * self.reach
        self.seen = 0
        self.far: list[Tensor] = []

    def add(self, fakes: Fakes) -> None:
        """Compare with the same samples moved."""
        assert fakes.moved is not None
        images, side = fakes.images, fakes.images.shape[3]
        pixels = (self.shares[self.seen :][: len(images)] * side).round().long()
        self.seen += len(images)
        moved = fakes.moved(pixels / side)
        self.far += [
            differences(one, other, *shift)
            for one, other, shift in zip(images, moved, pixels.tolist(), strict=True)
        ]

    def compute(self) -> dict[str, float]:
        """Decibels over all places of all samples."""
        squared, still, count = torch.stack(self.far).sum(dim=0).tolist()
        self.protocol["eq_t_of_still_images"] = decibels(still / count)
        return {self.key: decibels(squared / count)}


def differences(image: Tensor, moved: Tensor, right: int, down: int) -> Tensor:
    """Sums of squares (3,), float64: of moved to the image moved, of moved to the image as it is, and their number.

    Args:
        image: (C, H, W).
        moved: (C, H, W), of a generator that was told to move it.
        right: whole pixels; negative ones to the left.
        down: whole pixels; negative ones upwards.
    """
    height, width = image.shape[1:]
    here = moved[:, max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
    there = image[:, max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)]
    same = image[:, max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
    sums = [(here.double() - other.double()).square().sum() for other in (there, same)]
    return torch.stack([*sums, sums[0].new_tensor(here.numel())])


def decibels(mean_square: float) -> float:
    """Peak signal to noise of a mean square of differences."""
    return 10 * math.log10(RANGE**2 / max(mean_square, LEAST))
