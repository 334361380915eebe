"""Semi-supervised GAN: the discriminator is a classifier of K classes and "generated", taught by few labels."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from gan_lab.auxiliary.term import (
    Auxiliary,
    Head,
    Judgement,
    Play,
    features_of,
    label_loss,
    one_class,
)
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar

HALF = 127.5  # of the bytes that pixels in [-1, 1] are made of


class Split(Protocol):
    """The part of a training split that is read here."""

    @property
    def images(self) -> Tensor:
        """Bytes (N, C, H, W)."""

    @property
    def labels(self) -> Tensor | None:
        """Classes (N,), -1 where unknown."""


class SemiSupervised(Auxiliary):
    """K + 1 classes: Improved Techniques for Training GANs, arXiv:1606.03498, section 5.

    A head on the discriminator's features gives logits l of K classes; that of "generated" is 0. An image is real with
    probability Z / (Z + 1), Z the sum of exp(l), so the logit of the adversarial loss is log Z, which `judge` gives
    in place of the discriminator's own. The term here is the other half of the loss: -log p(class | image, real) where
    the class is known.

    Few labelled images are rare in a batch of all. So where there are at most `kept` of them they are kept beside the
    weights, and each update of the discriminator draws as many as its batch has images.

    Args:
        feature_dim: entries of the discriminator's features.
        label_dim: number of classes, K.
        weight: the discriminator's factor, >= 0, or a schedule.
        kept: most labelled images to keep; with more, those of the batch count, and with 0 always. >= 0.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features", "labels", "classes"})
    pictures: Tensor
    answers: Tensor

    def __init__(
        self, *, feature_dim: int, label_dim: int, weight: Scalar = 1.0, kept: int = 1000
    ) -> None:
        super().__init__(weight=weight)
        in_range("kept", kept, low=0)
        self.kept = kept
        self.head = Head(feature_dim, label_dim)
        self.register_buffer("pictures", torch.empty(0, 1, 1, 1, dtype=torch.uint8))
        self.register_buffer("answers", torch.empty(0, dtype=torch.int64))

    def prepare(self, data: Split) -> None:
        """Keep the labelled images of the training split, if they are few."""
        if data.labels is None or data.labels.ndim != 1:
            return
        known = (data.labels >= 0).nonzero()[:, 0]
        if len(known) <= self.kept:
            device = self.answers.device
            self.pictures = data.images[known].clone().to(device)
            self.answers = data.labels[known].clone().to(device)

    def classify(self, output: Judgement) -> Tensor:
        """Logits of the classes, shape (N, K)."""
        return self.head(features_of(output))

    def judge(self, output: Judgement) -> Tensor:
        """The logit of "real", log Z, shape (N,), for the adversarial loss."""
        return self.classify(output).logsumexp(dim=1)

    def discriminator(self, play: Play) -> Tensor:
        """-E[log p(class | image, real)] over labelled images."""
        if not len(self.answers):
            return label_loss(self.classify(play.on_real), one_class(play.real_classes))
        drawn = play.uniform("semi_supervised/labelled", (len(play.real),)) * len(self.answers)
        chosen = drawn.long().clamp(max=len(self.answers) - 1)
        output = play.discriminate((self.pictures[chosen].float() - HALF) / HALF)
        return label_loss(self.classify(output), self.answers[chosen])

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *others: Any) -> None:
        """How many images are kept is the data's, and the checkpoint knows it."""
        for name in ("pictures", "answers"):
            if f"{prefix}{name}" in state:
                like = torch.empty_like(state[f"{prefix}{name}"], device=self.answers.device)
                setattr(self, name, like)
        super()._load_from_state_dict(state, prefix, *others)  # type: ignore[no-untyped-call]
