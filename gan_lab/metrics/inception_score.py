"""The Inception Score."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from typing import ClassVar

import torch
import torchmetrics
from torchmetrics.image.inception import InceptionScore as TheirScore

from gan_lab.common.errors import WeightsError
from gan_lab.common.ranges import in_range, one_of
from gan_lab.metrics.distances import Given
from gan_lab.metrics.extractor import FULL_PRECISION
from gan_lab.metrics.inception import RESIZES, InceptionFeatures
from gan_lab.metrics.inception_weights import find_weights
from gan_lab.metrics.isolation import untouched_randomness
from gan_lab.metrics.score import Metric
from gan_lab.metrics.views import Conditions, Fakes, Reals

CLASSES = 1008  # answers of the network of 2015
SEED = 0  # of the order in which the images are dealt into parts


class InceptionScore(Metric):
    """exp of the mean KL divergence from the classes of all images to those of one; higher is better.

    Improved Techniques for Training GANs, arXiv:1606.03498, section 4: the mean over `splits` parts. Logits are those
    without the bias, as in the authors' code. It looks at no reals, so it tells nothing of data unlike ImageNet.

    Args:
        every_kimg: evaluate when so many thousand training images were seen; 0 for the end only.
        num_samples: generated images; published numbers use 50,000.
        splits: parts over which the mean is taken.
        resize: `tf`, as published numbers do, or `antialias`, torchmetrics' default.
    """

    key = "metric/inception_score"
    lower_is_better: ClassVar[bool] = False

    def __init__(
        self,
        *,
        every_kimg: float = 200,
        num_samples: int = 50_000,
        splits: int = 10,
        resize: str = "tf",
    ) -> None:
        super().__init__(every_kimg=every_kimg, num_samples=num_samples)
        in_range("splits", splits, low=1, high=num_samples)
        one_of("resize", resize, tuple(RESIZES))
        self.splits = splits
        self.resize = resize

    @property
    def extractor_key(self) -> Hashable:
        """That of an FID with the same resize: both share a pass."""
        return ("inception", 2048, self.resize, FULL_PRECISION)

    def make_extractor(self, device: torch.device, conditions: Conditions) -> InceptionFeatures:
        """Find the weights and build the network from them."""
        weights = find_weights(conditions.weights, feature=2048)
        return InceptionFeatures(weights, feature=2048, resize=self.resize, device=device)

    def look_at(self, reals: Reals) -> None:
        """Take the head of the network; reals play no part."""
        extractor = reals.extractor(self)
        assert isinstance(extractor, InceptionFeatures)
        if extractor.head is None or extractor.head.shape != (CLASSES, extractor.dim):
            raise WeightsError(
                f"{extractor.weights}: these Inception weights have no last layer (fc.weight), which the Inception "
                "Score needs; use complete ones (metrics.weights=...), or metrics=small."
            )
        self.head = extractor.head.T.to(extractor.device)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that all logits are kept
            self.theirs = TheirScore(
                feature=Given(CLASSES), splits=self.splits, sync_on_compute=False
            ).to(extractor.device)
        if self.num_samples < CLASSES * 10:
            self.notes = (
                f"{self.name}: {self.num_samples:,} generated images are few for {CLASSES:,} classes; published "
                "values use 50,000.",
            )
        self.protocol = {
            "num_samples": self.num_samples,
            "splits": self.splits,
            **extractor.identity(),
            "pixels": "uint8, rounded and clamped",
            "score": f"logits without bias; by torchmetrics {torchmetrics.__version__}",
        }

    def reset(self) -> None:
        """Forget the fakes."""
        self.theirs.reset()

    def add(self, fakes: Fakes) -> None:
        """Keep the logits of fakes."""
        assert fakes.features is not None
        self.theirs.update(fakes.features @ self.head)

    def compute(self) -> dict[str, float]:
        """The score."""
        with untouched_randomness(self.head.device):
            torch.default_generator.manual_seed(SEED)
            mean, _ = self.theirs.compute()
        return {self.key: float(mean)}
