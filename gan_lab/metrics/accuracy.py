"""Whether generated images show the class that was asked for."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from gan_lab.common.ranges import in_range
from gan_lab.media.images import to_uint8
from gan_lab.metrics.classes import class_keys, class_names
from gan_lab.metrics.classifier import classifier_of
from gan_lab.metrics.score import Metric, about_images
from gan_lab.metrics.views import Fakes, Reals

DOUBTFUL = 0.9  # below it the classifier's own mistakes are what the value tells of


class Accuracy(Metric):
    """The share of images in which an independent classifier sees the class that was asked for; higher is better.

    The classifier learns the real labels of the data, and nothing of the model. It says nothing of quality or variety:
    one good image of each class, repeated, has an accuracy of 1.

    Args:
        every_kimg: evaluate when so many thousand training images were seen; 0 for the end only.
        num_samples: generated images of all classes together.
        train_kimg: thousands of real images that the classifier sees in training, once for each data set.
    """

    key = "metric/accuracy"
    lower_is_better: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})

    def __init__(
        self, *, every_kimg: float = 10, num_samples: int = 2000, train_kimg: float = 120
    ) -> None:
        super().__init__(every_kimg=every_kimg, num_samples=num_samples)
        in_range("train_kimg", train_kimg, above=0)
        self.train_kimg = train_kimg

    def look_at(self, reals: Reals) -> None:
        """Open or train the classifier."""
        self.classifier = classifier_of(reals, train_kimg=self.train_kimg)
        several = self.classifier.several
        self.class_keys = () if several else class_keys(self.key, class_names(reals, self.name))
        if self.classifier.accuracy < DOUBTFUL:
            self.notes = (
                f"{self.name}: the classifier itself is right on {self.classifier.accuracy:.1%} of unseen reals, "
                "so higher values than that tell little.",
            )
        self.protocol = {
            **about_images(reals, len(reals.images)),
            "num_samples": self.num_samples,
            "classifier": f"small network, {self.train_kimg:g} kimg",
            "classifier_sha256": self.classifier.sha256,
            "classifier_accuracy": self.classifier.accuracy,
            "classifier_judged_on": self.classifier.judged_on,
            "pixels": "uint8, rounded and clamped",
        }

    def reset(self) -> None:
        """Forget the fakes."""
        self.seen: list[tuple[Tensor, Tensor]] = []

    def add(self, fakes: Fakes) -> None:
        """Ask the classifier."""
        assert fakes.labels is not None
        right = self.classifier.right(to_uint8(fakes.images), fakes.labels)
        self.seen.append((right, fakes.labels))

    def compute(self) -> dict[str, float]:
        """The share that is right, over all, then of each class that was asked for."""
        right = torch.cat([right for right, _ in self.seen]).cpu().double()
        values = {self.key: float(right.mean())}
        labels = torch.cat([labels for _, labels in self.seen]).cpu()
        for label, key in enumerate(self.class_keys):
            own = right[labels == label]
            if len(own):
                values[key] = float(own.mean())
        return values
