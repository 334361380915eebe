"""An augmentation with a state, outside gan_lab: what ADA (arXiv:2006.06676) needs of the interface, in small."""

from __future__ import annotations

import torch
from torch import nn

SIGN = "flips/sign"


class Flips(nn.Module):
    """Mirrors each image with the chance p, which rises while the discriminator is sure of reals and falls otherwise.

    Args:
        target: of the mean sign of the reals' logits.
        step: what p moves by in each update of the discriminator.
    """

    def __init__(self, *, target: float = 0.6, step: float = 0.05):
        super().__init__()
        self.target, self.step = target, step
        self.register_buffer("p", torch.tensor(0.5))
        self.register_buffer("moves", torch.zeros((), dtype=torch.long))

    def forward(self, images, draw):
        chosen = draw.uniform("flip", (len(images),)) < self.p
        return torch.where(chosen[:, None, None, None], images.flip(3), images)

    def notes(self, play):
        return {SIGN: play.on_real.logits.sign().float().mean()}

    def commit(self, noted):
        if SIGN in noted:
            self.p.add_(self.step * (noted[SIGN] - self.target).sign()).clamp_(0, 1)
            self.moves.add_(1)
