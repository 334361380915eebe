"""A Frechet distance that takes seconds on a CPU, in the features of the shipped network."""

from __future__ import annotations

from typing import ClassVar

import torch

from gan_lab.metrics.feature_distance import FeatureDistance
from gan_lab.metrics.small_features import SmallFeatures
from gan_lab.metrics.views import Conditions, Reals


class SmallFrechet(FeatureDistance):
    """The Frechet distance in 128 features of a small classifier of Fashion-MNIST.

    It is no FID: it ranks checkpoints of one run and compares runs on small grey pictures.

    Args:
        every_kimg: evaluate when so many thousand training images were seen; 0 for the end only.
        num_samples: generated images.
    """

    key = "metric/small_frechet"
    extractor_key = SmallFeatures.key
    batch_sizes: ClassVar[dict[str, int]] = {"cpu": 128, "cuda": 128}

    def __init__(self, *, every_kimg: float = 10, num_samples: int = 2000) -> None:
        super().__init__(every_kimg=every_kimg, num_samples=num_samples)

    def make_extractor(self, device: torch.device, conditions: Conditions) -> SmallFeatures:
        """Load the shipped network."""
        del conditions
        return SmallFeatures(device)

    def _notes(self, reals: Reals, count: int) -> tuple[str, ...]:
        """Colour images are compared by what a network of grey clothes sees of them."""
        notes = super()._notes(reals, count)
        if reals.images.images.shape[1] == 1:
            return notes
        blind = (
            "its features were learned on grey clothes and see no colour, so it means little here"
        )
        return (*notes, f"{self.name}: {blind}; look at the samples.")
