"""Latent consistency (zCR): neighbours in the latent space shall look as real, and look different."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from gan_lab.auxiliary.term import Auxiliary
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar


class LatentConsistency(Auxiliary):
    """(D(G(z)) - D(G(z + d)))^2 for the discriminator, minus ||G(z) - G(z + d)||^2 for the generator.

    Improved Consistency Regularization for GANs, arXiv:2002.04724, section 2.2, algorithm 2, with d normal. The
    generator's distance is the mean over pixels and channels.

    Args:
        discriminator_weight: the discriminator's factor, >= 0, or a schedule.
        generator_weight: the generator's factor, >= 0, or a schedule.
        radius: standard deviation of d, > 0.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"latents"})

    def __init__(
        self,
        *,
        discriminator_weight: Scalar = 20.0,
        generator_weight: Scalar = 0.5,
        radius: float = 0.05,
    ) -> None:
        super().__init__(
            discriminator_weight=discriminator_weight, generator_weight=generator_weight
        )
        in_range("radius", radius, above=0)
        self.radius = radius

    def discriminator(self, play: Any) -> Tensor:
        """The mean over fakes."""
        here = play.on_fake.logits.float()
        there = play.judge_as("fake", self._neighbours(play)).logits.float()
        return (here - there).square().mean()

    def generator(self, play: Any) -> Tensor:
        """Minus the mean over fakes."""
        return -(play.fake.float() - self._neighbours(play).float()).square().mean()

    def _neighbours(self, play: Any) -> Tensor:
        """Fakes of latents near those of the play."""
        step = self.radius * play.normal("latent_consistency", tuple(play.z.shape))
        found: Tensor = play.make(play.z.detach() + step, play.fake_labels)
        return found
