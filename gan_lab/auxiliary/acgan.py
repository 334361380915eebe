"""AC-GAN: a classifier on the discriminator's features."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from gan_lab.auxiliary.term import Auxiliary, Head, Judgement, Play, features_of, label_loss
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar


class AuxiliaryClassifier(Auxiliary):
    """Both players raise the likelihood of the labels: arXiv:1610.09585, eqs. 2 and 3.

    Attributes of an image, several at once, are judged each by itself, with binary cross entropy.

    Args:
        feature_dim: entries of the discriminator's features.
        label_dim: number of classes or attributes.
        discriminator_weight: the discriminator's factor, >= 0, or a schedule.
        generator_weight: the generator's factor, >= 0, or a schedule.
        on_fakes: whether the discriminator classifies fakes too, as the paper does.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features", "labels"})

    def __init__(
        self,
        *,
        feature_dim: int,
        label_dim: int,
        discriminator_weight: Scalar = 1.0,
        generator_weight: Scalar = 1.0,
        on_fakes: bool = True,
    ) -> None:
        super().__init__(
            discriminator_weight=discriminator_weight, generator_weight=generator_weight
        )
        in_range("label_dim", label_dim, low=1)
        self.on_fakes = on_fakes
        self.head = Head(feature_dim, label_dim)

    def classify(self, output: Judgement) -> Tensor:
        """Logits of the labels, shape (N, label_dim)."""
        return self.head(features_of(output))

    def discriminator(self, play: Play) -> Tensor:
        """-E[log P(c | x)] on reals, and on fakes with the classes they were asked for."""
        real = label_loss(self.classify(play.on_real), play.real_classes)
        return real + self.generator(play) if self.on_fakes else real

    def generator(self, play: Play) -> Tensor:
        """-E[log P(c | G(z, c))]."""
        return label_loss(self.classify(play.on_fake), play.fake_classes)
