"""FID and KID in Inception features."""

from __future__ import annotations

import torch

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import one_of
from gan_lab.data.image_set import ImageSet
from gan_lab.metrics.extractor import FULL_PRECISION
from gan_lab.metrics.inception import FEATURES, PRECISIONS, RESIZES, InceptionFeatures
from gan_lab.metrics.inception_weights import find_weights
from gan_lab.metrics.score import Metric

KERNEL_KEEP = 10_000  # features of 2048 floats: 82 MB each of reals and fakes


class Fid(Metric):
    """The Frechet Inception distance, arXiv:1706.08500, and the kernel one, arXiv:1801.01401.

    Only 2048 float32 features make an FID. Earlier layers are recorded as `metric/fid_768` and so
    on, with `metric/kid_768`, bfloat16 ones as `metric/fid_bf16` or `metric/fid_768_bf16`; they
    compare with nothing published.

    Args:
        every_kimg: evaluate when so many thousand training images were seen; 0 for the end only.
        num_samples: generated images; published numbers use 50,000.
        num_reals: reals, a fixed subset; None for all of the split, as published numbers do.
        batch_size: images at once; bounds memory and does not change the value. None: 64 on a CPU, 256 on a GPU.
        split: of the data set, whose images are the reals.
        batch_norm: `running` or `batch` statistics in the generator.
        max_days: an evaluation that is estimated to take longer is refused; None never.
        feature: 2048, 768, 192 or 64.
        weights: file of the weights; None looks in GAN_LAB_DATA, the torch hub cache, the network.
        resize: `tf`, as published numbers do, or `antialias`, torchmetrics' default.
        features_precision: `32-true`, or `bf16`: twice as fast where the processor has bfloat16.
    """

    def __init__(
        self,
        *,
        every_kimg: float = 200,
        num_samples: int = 50_000,
        num_reals: int | None = None,
        batch_size: int | None = None,
        split: str = "train",
        batch_norm: str = "running",
        max_days: float | None = 30.0,
        feature: int = 2048,
        weights: str | None = None,
        resize: str = "tf",
        features_precision: str = FULL_PRECISION,
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
        if feature not in FEATURES:
            known = ", ".join(map(str, FEATURES))
            raise ConfigError(f"metrics.feature={feature}: must be one of {known}.")
        one_of("metrics.resize", resize, tuple(RESIZES))
        one_of("metrics.features_precision", features_precision, tuple(PRECISIONS))
        self.feature = feature
        self.weights = weights
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
    def kernel_keep(self) -> int:
        """How many features KID looks at, of reals and of fakes, at most."""
        return KERNEL_KEEP

    def make_extractor(self, device: torch.device) -> InceptionFeatures:
        """Find the weights and build the network from them."""
        weights = find_weights(self.weights, feature=self.feature)
        return InceptionFeatures(
            weights,
            feature=self.feature,
            resize=self.resize,
            precision=self.features_precision,
            device=device,
        )

    def _notes(self, images: ImageSet, reals: int) -> tuple[str, ...]:
        notes = super()._notes(images, reals)
        if self.features_precision != FULL_PRECISION:
            notes += (
                f"{self.key.removeprefix('metric/')}: the features are in bfloat16, off by 1 %, so "
                f"the value compares with no published one.",
            )
        if self.extractor.weights.startswith("unknown"):
            notes += (
                f"{self.key.removeprefix('metric/')}: the SHA-256 of the Inception weights is "
                f"not a known one, so the value compares with no published one.",
            )
        return notes
