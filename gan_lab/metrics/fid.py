"""FID and KID in Inception features."""

from __future__ import annotations

from collections.abc import Hashable

import torch

from gan_lab.common.ranges import one_of
from gan_lab.metrics.extractor import FULL_PRECISION
from gan_lab.metrics.feature_distance import FeatureDistance
from gan_lab.metrics.inception import PRECISIONS, RESIZES, InceptionFeatures, known_feature
from gan_lab.metrics.inception_weights import find_weights
from gan_lab.metrics.views import Conditions, Reals


class Fid(FeatureDistance):
    """The Frechet Inception distance, arXiv:1706.08500, and the kernel one, arXiv:1801.01401.

    Only 2048 float32 features make an FID. Earlier layers are recorded as `metric/fid_768` and so
    on, with `metric/kid_768`, bfloat16 ones as `metric/fid_bf16` or `metric/fid_768_bf16`; they
    compare with nothing published.

    Args:
        every_kimg: evaluate when so many thousand training images were seen; 0 for the end only.
        num_samples: generated images; published numbers use 50,000.
        feature: 2048, 768, 192 or 64.
        resize: `tf`, as published numbers do, or `antialias`, torchmetrics' default.
        features_precision: `32-true`, or `bf16`: twice as fast where the processor has bfloat16.
    """

    key = "metric/fid"
    keep = 10_000  # for KID, of reals and of fakes; of 2048 floats: 82 MB each

    def __init__(
        self,
        *,
        every_kimg: float = 200,
        num_samples: int = 50_000,
        feature: int = 2048,
        resize: str = "tf",
        features_precision: str = FULL_PRECISION,
    ) -> None:
        super().__init__(every_kimg=every_kimg, num_samples=num_samples)
        known_feature(feature)
        one_of("resize", resize, tuple(RESIZES))
        one_of("features_precision", features_precision, tuple(PRECISIONS))
        self.feature = feature
        self.resize = resize
        self.features_precision = features_precision
        self._suffix = "" if feature == 2048 else f"_{feature}"
        if features_precision != FULL_PRECISION:
            self._suffix += f"_{features_precision}"
        self.key = f"metric/fid{self._suffix}"

    @property
    def kernel_key(self) -> str | None:
        """KID, named after the features like the Frechet distance."""
        return f"metric/kid{self._suffix}"

    @property
    def extractor_key(self) -> Hashable:
        """The layer, the resize and the precision."""
        return ("inception", self.feature, self.resize, self.features_precision)

    def make_extractor(self, device: torch.device, conditions: Conditions) -> InceptionFeatures:
        """Find the weights and build the network from them."""
        weights = find_weights(conditions.weights, feature=self.feature)
        return InceptionFeatures(
            weights,
            feature=self.feature,
            resize=self.resize,
            precision=self.features_precision,
            device=device,
        )

    def _notes(self, reals: Reals, count: int) -> tuple[str, ...]:
        notes = super()._notes(reals, count)
        if self.features_precision != FULL_PRECISION:
            notes += (
                f"{self.name}: the features are in bfloat16, off by 1 %, so "
                f"the value compares with no published one.",
            )
        if self.extractor.weights.startswith("unknown"):
            notes += (
                f"{self.name}: the SHA-256 of the Inception weights is "
                f"not a known one, so the value compares with no published one.",
            )
        return notes
