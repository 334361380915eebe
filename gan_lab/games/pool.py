"""The pool of earlier fakes that CycleGAN's discriminators see: arXiv:1703.10593, section 4, after arXiv:1612.07828."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gan_lab.common.ranges import in_range


class ImagePool(nn.Module):
    """Fakes of earlier updates, which a discriminator sees in place of half of the new ones.

    While it is not full it keeps each image and gives it back. Then it exchanges an image for a random one of its own
    with a chance of a half. Images come in their order, so that a batch in parts leaves the same pool as a whole one.
    The pool lies in buffers, and what it does depends on tensors alone: it is saved with the run, and legal in recorded
    steps. Each rank has the pool of its own images.

    Args:
        size: images that it holds, >= 1.
        shape: of an image (C, H, W).
    """

    images: Tensor
    held: Tensor

    def __init__(self, size: int, shape: Sequence[int]) -> None:
        super().__init__()
        in_range("pool", size, low=1)
        self.size = size
        self.register_buffer("images", torch.zeros(size, *shape))
        self.register_buffer("held", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def forward(self, fakes: Tensor, chances: Tensor) -> Tensor:
        """Give an image (C, H, W) for each of fakes (N, C, H, W).

        Args:
            fakes: the new ones.
            chances: (N, 2), uniform in [0, 1): the place of an old one, and whether it is taken.
        """
        given = []
        for fake, (place, chance) in zip(fakes.float(), chances, strict=True):
            full = self.held == self.size
            slot = torch.where(full, (place * self.size).long(), self.held)[None]
            old = self.images.index_select(0, slot)[0]
            exchanged = full & (chance < 0.5)
            given.append(torch.where(exchanged, old, fake))
            self.images.index_copy_(0, slot, torch.where(exchanged | ~full, fake, old)[None])
            self.held.add_(~full)
        return torch.stack(given)
