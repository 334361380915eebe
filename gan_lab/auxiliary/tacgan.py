"""TAC-GAN: a second classifier, of fakes alone, tells how separable they have become."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from gan_lab.auxiliary.term import Auxiliary, Head, Play, features_of, label_loss, one_class
from gan_lab.common.scalars import Scalar


class TwinClassifiers(Auxiliary):
    """A classifier C of reals and a twin of fakes: Twin Auxiliary Classifiers GAN, arXiv:1907.02690, section 3.

    The generator lowers -log C and raises -log of the twin, both on fakes. With classifiers at their best this is the
    divergence of the two posteriors of the class, and so the generator has no gain from images that are easier to
    tell apart than real ones.

    Args:
        feature_dim: entries of the discriminator's features.
        label_dim: number of classes.
        discriminator_weight: the paper's lambda for the discriminator and both classifiers, >= 0, or a schedule.
        generator_weight: the same for the generator.
        on_fakes: whether C learns fakes too, as in AC-GAN; without it C is the reals' posterior.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features", "labels", "classes"})

    def __init__(
        self,
        *,
        feature_dim: int,
        label_dim: int,
        discriminator_weight: Scalar = 1.0,
        generator_weight: Scalar = 1.0,
        on_fakes: bool = False,
    ) -> None:
        super().__init__(
            discriminator_weight=discriminator_weight, generator_weight=generator_weight
        )
        self.on_fakes = on_fakes
        self.head = Head(feature_dim, label_dim)
        self.twin = Head(feature_dim, label_dim)

    def discriminator(self, play: Play) -> Tensor:
        """-E[log C(c | x)] on reals and -E[log twin(c | G(z, c))] on fakes."""
        real = self.head(features_of(play.on_real))
        first, twin = self._on_fakes(play)
        loss = label_loss(real, one_class(play.real_classes)) + twin
        return loss + first if self.on_fakes else loss

    def generator(self, play: Play) -> Tensor:
        """-E[log C(c | G(z, c))] + E[log twin(c | G(z, c))]."""
        first, twin = self._on_fakes(play)
        return first - twin

    def _on_fakes(self, play: Play) -> tuple[Tensor, Tensor]:
        features, classes = features_of(play.on_fake), one_class(play.fake_classes)
        return label_loss(self.head(features), classes), label_loss(self.twin(features), classes)
