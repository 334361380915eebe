"""What the contrastive terms share: images and classes as vectors of length 1 in one space."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.auxiliary.term import Auxiliary, Head, Judgement, Play, features_of, one_class
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar


class Embedded(Auxiliary):
    """A term on embedded images and the embedded class of each.

    The discriminator has it among reals, the generator among fakes. It compares the images of one micro-batch, so it
    changes with `accumulate`. Every image has one class.

    Args:
        feature_dim: entries of the discriminator's features.
        label_dim: number of classes.
        dim: entries of an embedded image or class, >= 1.
        weights: as of `Auxiliary`.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features", "labels", "classes"})

    def __init__(self, *, feature_dim: int, label_dim: int, dim: int, **weights: Scalar) -> None:
        super().__init__(**weights)
        in_range("dim", dim, low=1)
        self.projection = Head(feature_dim, dim)
        self.anchors = nn.Embedding(label_dim, dim)

    @abstractmethod
    def among(self, images: Tensor, anchors: Tensor, classes: Tensor) -> Tensor:
        """The term, shape (), of images and the class of each (N, dim), of length 1, and of the classes (N,)."""

    def discriminator(self, play: Play) -> Tensor:
        """The term among reals."""
        return self._of(play.on_real, one_class(play.real_classes))

    def generator(self, play: Play) -> Tensor:
        """The term among fakes."""
        return self._of(play.on_fake, one_class(play.fake_classes))

    def _of(self, output: Judgement, classes: Tensor) -> Tensor:
        images = F.normalize(self.projection(features_of(output)), dim=1)
        return self.among(images, F.normalize(self.anchors(classes), dim=1), classes)
