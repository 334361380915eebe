"""A Frechet distance that takes seconds on a CPU, in the features of the shipped network."""

from __future__ import annotations

import torch

from gan_lab.data.image_set import ImageSet
from gan_lab.metrics.score import Metric
from gan_lab.metrics.small_features import SmallFeatures


class SmallFrechet(Metric):
    """The Frechet distance in 128 features of a small classifier of Fashion-MNIST.

    It is no FID: it ranks checkpoints of one run and compares runs on small grey pictures.

    Args:
        every_kimg: evaluate when so many thousand training images were seen; 0 for the end only.
        num_samples: generated images.
        num_reals: reals, a fixed subset; None for all of the split.
        batch_size: images at once; bounds memory and does not change the value.
        split: of the data set, whose images are the reals.
        batch_norm: `running` or `batch` statistics in the generator.
        max_days: an evaluation that is estimated to take longer is refused; None never.
    """

    key = "metric/small_frechet"

    def __init__(
        self,
        *,
        every_kimg: float = 10,
        num_samples: int = 2000,
        num_reals: int | None = None,
        batch_size: int = 128,
        split: str = "train",
        batch_norm: str = "running",
        max_days: float | None = 30.0,
    ) -> None:
        super().__init__(
            every_kimg=every_kimg,
            num_samples=num_samples,
            num_reals=num_reals,
            batch_size=batch_size,
            split=split,
            batch_norm=batch_norm,
            max_days=max_days,
        )

    def make_extractor(self, device: torch.device) -> SmallFeatures:
        """Load the shipped network."""
        return SmallFeatures(device)

    def _notes(self, images: ImageSet, reals: int) -> tuple[str, ...]:
        """Colour images are compared by what a network of grey clothes sees of them."""
        notes = super()._notes(images, reals)
        if images.images.shape[1] == 1:
            return notes
        blind = (
            "its features were learned on grey clothes and see no colour, so it means little here"
        )
        return (*notes, f"small_frechet: {blind}; look at the samples.")
