"""SSGAN: which way up is the image?"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gan_lab.auxiliary.term import Auxiliary, Head, Play, features_of
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar

TURNS = 4


def turned(images: Tensor) -> Tensor:
    """Images (N, C, H, W) turned by 0, 90, 180 and 270 degrees, one turn after the other: (4 N, C, H, W)."""
    return torch.cat([torch.rot90(images, turn, (2, 3)) for turn in range(TURNS)])


class Rotation(Auxiliary):
    """A head tells by how many quarters an image was turned: Self-Supervised GANs, arXiv:1811.11212, section 3.

    The discriminator learns it on reals, the generator on fakes. The paper turns a quarter of the batch in all four
    ways, which costs one more pass of the discriminator.

    Args:
        feature_dim: entries of the discriminator's features.
        discriminator_weight: the paper's beta, >= 0, or a schedule.
        generator_weight: the paper's alpha, >= 0, or a schedule.
        every: each so-many-th image of a batch is turned, >= 1.
    """

    def __init__(
        self,
        *,
        feature_dim: int,
        discriminator_weight: Scalar = 1.0,
        generator_weight: Scalar = 0.2,
        every: int = 4,
    ) -> None:
        super().__init__(
            discriminator_weight=discriminator_weight, generator_weight=generator_weight
        )
        in_range("every", every, low=1)
        self.every = every
        self.head = Head(feature_dim, TURNS)

    def discriminator(self, play: Play) -> Tensor:
        """-E[log Q(turn | turned real)]."""
        return self._surprise(play, play.real, play.real_labels)

    def generator(self, play: Play) -> Tensor:
        """-E[log Q(turn | turned fake)]."""
        return self._surprise(play, play.fake, play.fake_labels)

    def _surprise(self, play: Play, images: Tensor, labels: Tensor | None) -> Tensor:
        chosen = turned(images[:: self.every])
        if labels is not None:
            labels = labels[:: self.every].repeat(TURNS, 1)
        turns = torch.arange(TURNS, device=chosen.device).repeat_interleave(len(chosen) // TURNS)
        return F.cross_entropy(self.head(features_of(play.discriminate(chosen, labels))), turns)
