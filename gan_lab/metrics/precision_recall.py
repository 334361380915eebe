"""Precision and recall, density and coverage: quality and variety told apart."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import ClassVar

import torch
from torch import Tensor

from gan_lab.common.errors import DataError
from gan_lab.common.ranges import in_range, one_of
from gan_lab.metrics.extractor import FULL_PRECISION, Extractor
from gan_lab.metrics.inception import InceptionFeatures
from gan_lab.metrics.inception_weights import find_weights
from gan_lab.metrics.neighbours import neighbourhood
from gan_lab.metrics.score import Metric, about_images
from gan_lab.metrics.small_features import SmallFeatures
from gan_lab.metrics.views import Conditions, Fakes, Reals

FEATURES = ("small", "inception")


class PrecisionRecall(Metric):
    """Precision (how many fakes look real) and recall (how much of the reals' variety is there); higher is better.

    arXiv:1904.06991, with density and coverage, arXiv:2002.09797, from the same features. As many reals as fakes are
    compared, a fixed subset. Published values are in VGG features, so these compare with none.

    Args:
        every_kimg: evaluate when so many thousand training images were seen; 0 for the end only.
        num_samples: generated images, and reals at most.
        features: `small`, or `inception`, recorded as metric/precision_inception and so on.
        neighbours: k, to whose k-th a ball reaches.
    """

    key = "metric/precision"
    lower_is_better: ClassVar[bool] = False

    def __init__(
        self,
        *,
        every_kimg: float = 10,
        num_samples: int = 2000,
        features: str = "small",
        neighbours: int = 3,
    ) -> None:
        super().__init__(every_kimg=every_kimg, num_samples=num_samples)
        one_of("features", features, FEATURES)
        in_range("neighbours", neighbours, low=1, below=num_samples)
        self.features = features
        self.neighbours = neighbours
        self.keep = num_samples
        self._suffix = "" if features == "small" else f"_{features}"
        self.key = f"metric/precision{self._suffix}"

    @property
    def keys(self) -> tuple[str, ...]:
        """Four values, precision first."""
        names = ("precision", "recall", "density", "coverage")
        return tuple(f"metric/{name}{self._suffix}" for name in names)

    @property
    def extractor_key(self) -> Hashable:
        """That of metrics=small, or of metrics=fid."""
        if self.features == "small":
            return SmallFeatures.key
        return ("inception", 2048, "tf", FULL_PRECISION)

    def make_extractor(self, device: torch.device, conditions: Conditions) -> Extractor:
        """Load the shipped network, or find Inception's weights."""
        if self.features == "small":
            return SmallFeatures(device)
        return InceptionFeatures(find_weights(conditions.weights, feature=2048), device=device)

    def look_at(self, reals: Reals) -> None:
        """Keep the features of the reals."""
        self.extractor = reals.extractor(self)
        rows = reals.statistics(self).rows
        self.rows = rows[: self.num_samples].to(self.extractor.exact_device)
        if len(self.rows) <= self.neighbours:
            raise DataError(
                f"{reals.images.name}: {len(self.rows)} reals have no {self.neighbours} neighbours; lower "
                "metrics.precision_recall.neighbours, or raise metrics.num_reals."
            )
        self.protocol = {
            **about_images(reals, len(self.rows)),
            "num_samples": self.num_samples,
            **self.extractor.identity(),
            "pixels": "uint8, rounded and clamped",
            "neighbours": self.neighbours,
        }

    def reset(self) -> None:
        """Forget the fakes."""
        self.seen: list[Tensor] = []

    def add(self, fakes: Fakes) -> None:
        """Keep features of fakes."""
        assert fakes.features is not None
        self.seen.append(fakes.features.to(self.extractor.exact_device))

    def compute(self) -> dict[str, float]:
        """The four shares; NaN where a feature was not finite."""
        fakes = torch.cat(self.seen)
        if not bool(fakes.isfinite().all()):
            return dict.fromkeys(self.keys, math.nan)
        found = neighbourhood(self.rows, fakes, k=self.neighbours)
        return dict(zip(self.keys, found, strict=True))
