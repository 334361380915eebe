"""Adaptive pseudo augmentation (APA): some reals give way to fakes, so that the discriminator is less sure of them.

Deceive D: Adaptive Pseudo Augmentation for GAN Training with Limited Data, arXiv:2111.06849, section 3.
"""

from __future__ import annotations

from torch import Tensor

from gan_lab.augment.adaptive import Adaptive
from gan_lab.augment.part import Draw


class APA(Adaptive):
    """Each real of the discriminator's steps is exchanged for a fake with the chance p; nothing else changes.

    The fakes are those of the same step, with labels of their own. p follows `Adaptive`, eq. 3 of the paper.
    """

    def forward(self, images: Tensor, draw: Draw) -> Tensor:
        """Return the images as they are."""
        del draw
        return images

    def replaces(self, count: int, draw: Draw) -> Tensor:
        """Which of so many reals are fakes instead, bool (count,)."""
        return draw.uniform("replaces", (count,)) < self.chance
