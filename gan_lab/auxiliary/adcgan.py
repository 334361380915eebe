"""ADC-GAN: one classifier of 2 K classes, each of the K once as real and once as generated."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from gan_lab.auxiliary.term import Auxiliary, Head, Play, features_of, label_loss, one_class
from gan_lab.common.scalars import Scalar


class DiscriminativeClassifier(Auxiliary):
    """The classifier knows the generator: ADC-GAN, arXiv:2107.10060, section 3.

    The discriminator names reals "real and of class c" and fakes "generated and of class c". The generator makes the
    first more likely than the second for its fakes.

    Args:
        feature_dim: entries of the discriminator's features.
        label_dim: number of classes, K.
        discriminator_weight: the paper's lambda for the discriminator, >= 0, or a schedule.
        generator_weight: the same for the generator.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features", "labels", "classes"})

    def __init__(
        self,
        *,
        feature_dim: int,
        label_dim: int,
        discriminator_weight: Scalar = 1.0,
        generator_weight: Scalar = 1.0,
    ) -> None:
        super().__init__(
            discriminator_weight=discriminator_weight, generator_weight=generator_weight
        )
        self.label_dim = label_dim
        self.head = Head(feature_dim, 2 * label_dim)

    def discriminator(self, play: Play) -> Tensor:
        """-E[log P(real, c | x)] on reals and -E[log P(generated, c | x)] on fakes."""
        real = label_loss(self.head(features_of(play.on_real)), one_class(play.real_classes))
        generated = one_class(play.fake_classes) + self.label_dim
        return real + label_loss(self.head(features_of(play.on_fake)), generated)

    def generator(self, play: Play) -> Tensor:
        """-E[log P(real, c | G)] + E[log P(generated, c | G)], in which the softmax's sum cancels."""
        index = one_class(play.fake_classes)[:, None]
        real, generated = self.head(features_of(play.on_fake)).split(self.label_dim, dim=1)
        return (generated.gather(1, index) - real.gather(1, index)).mean()
