"""The small Frechet distance within each class: a generator that mixes classes up has a good one over all."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from gan_lab.metrics.classes import class_keys, class_names
from gan_lab.metrics.distances import Frechet
from gan_lab.metrics.score import Metric, about_images
from gan_lab.metrics.small_features import SmallFeatures
from gan_lab.metrics.views import Conditions, Fakes, Reals


class SmallByClass(Metric):
    """The mean over classes of the small Frechet distance between the fakes and the reals of a class.

    Known as intra-FID where the features are Inception's (cGANs with Projection Discriminator, arXiv:1802.05637).

    Args:
        every_kimg: evaluate when so many thousand training images were seen; 0 for the end only.
        num_samples: generated images of all classes together.
    """

    key = "metric/small_frechet_by_class"
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})
    extractor_key = SmallFeatures.key
    batch_sizes: ClassVar[dict[str, int]] = {"cpu": 128, "cuda": 128}

    def __init__(self, *, every_kimg: float = 10, num_samples: int = 5000) -> None:
        super().__init__(every_kimg=every_kimg, num_samples=num_samples)

    def make_extractor(self, device: torch.device, conditions: Conditions) -> SmallFeatures:
        """Load the shipped network."""
        del conditions
        return SmallFeatures(device)

    def look_at(self, reals: Reals) -> None:
        """Take the statistics of the reals of each class."""
        extractor, names = reals.extractor(self), class_names(reals, self.name)
        found = [reals.statistics_of_class(self, label) for label in range(len(names))]
        self.by_class = [Frechet(one, extractor.exact_device) for one in found]
        self.class_keys = class_keys(self.key, names)
        few = self.num_samples / len(names)
        if few < extractor.dim:
            self.notes = (
                f"{self.name}: about {few:.0f} generated images of a class are fewer than the {extractor.dim} "
                "features, so the value is biased upward.",
            )
        self.protocol = {
            **about_images(reals, sum(one.count for one in found)),
            "classes": len(names),
            "num_samples": self.num_samples,
            **extractor.identity(),
            "pixels": "uint8, rounded and clamped",
            "distance": "float64; the mean of the distances within each class",
        }

    def reset(self) -> None:
        """Forget the fakes."""
        for one in self.by_class:
            one.reset()

    def add(self, fakes: Fakes) -> None:
        """Add features of fakes to those of their classes."""
        assert fakes.features is not None
        assert fakes.labels is not None
        labels = fakes.labels.to(fakes.features.device)
        for label, one in enumerate(self.by_class):
            own: Tensor = fakes.features[labels == label]
            if len(own):
                one.add(own)

    def compute(self) -> dict[str, float]:
        """The mean over the classes of which there are two fakes, then the distance of each class."""
        values = [one.compute() if one.count > 1 else math.nan for one in self.by_class]
        measured = [
            value for one, value in zip(self.by_class, values, strict=True) if one.count > 1
        ]
        mean = math.fsum(measured) / len(measured) if measured else math.nan
        by_class = dict(zip(self.class_keys, values, strict=True)) if self.class_keys else {}
        return {self.key: mean, **by_class}
