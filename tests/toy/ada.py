"""Adaptive discriminator augmentation, as somebody outside gan_lab writes it: arXiv:2006.06676.

It is a part for the game that gan_lab has. Left out of its many changes of images: all but a few.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gan_lab.augment.part import Draw
from gan_lab.common.ranges import in_range

SIGN = "ada/sign"
PER_SAMPLE = 6  # random numbers: whether and how much, for each of three changes


class ADA(nn.Module):
    """Mirrors, brightens and turns images, each with the chance p: arXiv:2006.06676, section 2.2.

    p rises by a step in each update in which the discriminator's logits of reals are positive more often than the
    target says, which is a sign of overfitting, and falls in others: section 3, r_t = E[sign(D(x))].

    Args:
        target: of the mean sign of the reals' logits, in [-1, 1].
        step: what p moves by in each update of the discriminator, in [0, 1]; the paper lets p go from 0 to 1 in no less
            than 500 thousand images.
        start: the first p, in [0, 1].
    """

    p: Tensor

    def __init__(self, *, target: float = 0.6, step: float = 1e-4, start: float = 0.0) -> None:
        super().__init__()
        in_range("target", target, low=-1, high=1)
        in_range("step", step, low=0, high=1)
        in_range("start", start, low=0, high=1)
        self.target, self.step = target, step
        self.register_buffer("p", torch.tensor(start))

    def forward(self, images: Tensor, draw: Draw) -> Tensor:
        """Map images (N, C, H, W) to changed ones of the same shape, no longer bounded."""
        numbers = draw.uniform("ada", (len(images), PER_SAMPLE))[..., None, None, None]
        mirror, bright, turn = (numbers[:, at] < self.p for at in (0, 2, 4))
        images = torch.where(mirror & (numbers[:, 1] < 0.5), images.flip(3), images)
        images = images + bright * (numbers[:, 3] - 0.5)
        quarters = (numbers[:, 5] * 4).long() * turn
        for quarter in (1, 2, 3):
            images = torch.where(quarters == quarter, images.rot90(quarter, (2, 3)), images)
        return images

    def notes(self, play: Any) -> Mapping[str, Tensor]:
        """The mean sign of the reals' logits; the engine averages it over micro-batches and ranks."""
        return {SIGN: play.on_real.logits.sign().float().mean()}

    def commit(self, noted: Mapping[str, Tensor]) -> None:
        """Move p, once for each update of the discriminator."""
        if SIGN in noted:
            self.p.add_(self.step * (noted[SIGN] - self.target).sign()).clamp_(0, 1)
