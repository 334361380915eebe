"""What every metric shares: its options, the loop over samples, the protocol of a value."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from gan_lab.common.errors import ConfigError, nearest
from gan_lab.common.ranges import in_range, one_of
from gan_lab.data.image_set import ImageSet
from gan_lab.media.images import to_uint8
from gan_lab.metrics.distances import Frechet, Kernel
from gan_lab.metrics.extractor import Extractor
from gan_lab.metrics.isolation import untouched_randomness
from gan_lab.metrics.statistics import statistics_of_reals
from gan_lab.metrics.timing import seconds_per_image
from gan_lab.process.progress import phase

Sample = Callable[[int, int], Tensor]


class Source(Protocol):
    """The part of a data set that a metric reads."""

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the parts that it is divided into."""

    def load(self, split: str) -> ImageSet:
        """The images of one of them."""


class Score(NamedTuple):
    """Values with the protocol they were measured under."""

    values: dict[str, float]
    protocol: dict[str, Any]
    seconds: float


BATCH_SIZES = {"cpu": 64, "cuda": 256}


class Metric:
    """A distance between generated images and reals in the features of a fixed network.

    Args:
        every_kimg: evaluate when so many thousand training images were seen; 0 for the end only.
        num_samples: generated images.
        num_reals: reals, a fixed subset; None for all of the split.
        batch_size: images at once; bounds memory and does not change the value. None: 64 on a CPU, 256 on a GPU.
        split: of the data set, whose images are the reals.
        batch_norm: `running` or `batch` statistics in the generator; read by the caller.
        max_days: an evaluation that is estimated to take longer is refused; None never.
    """

    key: str  # the value that ranks checkpoints; lower is better

    def __init__(
        self,
        *,
        every_kimg: float,
        num_samples: int,
        num_reals: int | None,
        batch_size: int | None,
        split: str,
        batch_norm: str,
        max_days: float | None,
    ) -> None:
        in_range("metrics.every_kimg", every_kimg, low=0)
        in_range("metrics.num_samples", num_samples, low=2)
        if num_reals is not None:
            in_range("metrics.num_reals", num_reals, low=2)
        if batch_size is not None:
            in_range("metrics.batch_size", batch_size, low=1)
        if max_days is not None:
            in_range("metrics.max_days", max_days, above=0)
        one_of("metrics.batch_norm", batch_norm, ("running", "batch"))
        self.every_kimg = every_kimg
        self.num_samples = num_samples
        self.num_reals = num_reals
        self._fixed_batch_size = batch_size
        self.batch_size = batch_size or BATCH_SIZES["cpu"]
        self.split = split
        self.batch_norm = batch_norm
        self.max_days = max_days
        self.notes: tuple[str, ...] = ()
        self.about_reals: tuple[str, ...] = ()

    def make_extractor(self, device: torch.device) -> Extractor:
        """Build the extractor; raises WeightsError where its weights are missing or unusable."""
        raise NotImplementedError

    @property
    def kernel_key(self) -> str | None:
        """Key of the kernel distance, None where it is not measured."""
        return None

    @property
    def kernel_keep(self) -> int:
        """How many features the kernel distance looks at, of reals and of fakes, at most."""
        return 0

    def prepare(self, source: Source, device: torch.device) -> None:
        """Find and check the weights, then open or compute the statistics of the reals.

        After it, `notes` holds sentences for the user, `about_reals` those about the images.

        Raises:
            ConfigError: if the data set has no such split.
            WeightsError: if the extractor cannot be had.
            DataError: if there are too few reals.
        """
        if self.split not in source.splits:
            raise ConfigError(
                f"metrics.split={self.split}: this data set has {', '.join(source.splits)}"
                f"{nearest(self.split, source.splits)}"
            )
        self.batch_size = self._fixed_batch_size or BATCH_SIZES[device.type]
        with untouched_randomness(device):
            with phase("Loading the weights of the metric"):
                self.extractor = self.make_extractor(device)
            images = source.load(self.split)
            keep = self.kernel_keep
            reals = statistics_of_reals(
                images,
                self.extractor,
                num_reals=self.num_reals,
                keep=keep,
                batch_size=self.batch_size,
            )
        self.frechet = Frechet(reals, self.extractor.exact_device)
        self.kernel = Kernel(reals.rows, keep=min(keep, self.num_samples)) if keep else None
        self.notes = self._notes(images, reals.count)
        self.about_reals = tuple(images.sentences())
        self.protocol = self._protocol(images, reals.count)

    def estimate_seconds(self, sample: Sample) -> float:
        """Time few images and extrapolate to `num_samples`; the distance itself is not in it."""
        extract = self.extractor.features
        quiet = untouched_randomness(self.extractor.device)
        with phase("Timing an evaluation"), quiet, torch.no_grad():
            seconds = seconds_per_image(
                lambda count: extract(to_uint8(sample(0, count))),
                min(self.batch_size, self.num_samples),
            )
        return seconds * self.num_samples

    def score(
        self,
        sample: Sample,
        cancelled: Callable[[], bool] = lambda: False,
        advance: Callable[[int], object] = lambda _: None,
    ) -> Score | None:
        """Score images 0 .. num_samples - 1 of `sample`, which maps (start, count) to images.

        Random states are left as they were found. A value is NaN where an image was not finite.

        Args:
            sample: gives float images (count, C, H, W) in [-1, 1].
            cancelled: asked before each batch.
            advance: told how many images were scored, after each batch.

        Returns:
            Values, protocol and seconds; None if cancelled.
        """
        start = time.perf_counter()
        self.frechet.reset()
        if self.kernel:
            self.kernel.reset()
        finite: Tensor | None = None  # read once: each reading would wait for the device
        with untouched_randomness(self.extractor.device), torch.no_grad():
            for at, count in self._batches():
                if cancelled():
                    return None
                images = sample(at, count)
                all_finite = images.isfinite().all()
                finite = all_finite if finite is None else finite & all_finite
                features = self.extractor.features(to_uint8(images))
                self.frechet.add(features)
                if self.kernel:
                    self.kernel.add(features)
                advance(count)
        values = self._values() if bool(finite) else dict.fromkeys(self._keys(), math.nan)
        return Score(values, dict(self.protocol), time.perf_counter() - start)

    def _batches(self) -> Iterator[tuple[int, int]]:
        for at in range(0, self.num_samples, self.batch_size):
            yield at, min(self.batch_size, self.num_samples - at)

    def _keys(self) -> list[str]:
        return [self.key, self.kernel_key] if self.kernel_key else [self.key]

    def _values(self) -> dict[str, float]:
        values = {self.key: self.frechet.compute()}
        if self.kernel and self.kernel_key:
            values[self.kernel_key] = self.kernel.compute(self.extractor.device)
        return values

    def _notes(self, images: ImageSet, reals: int) -> tuple[str, ...]:
        """Sentences about what makes the value doubtful."""
        del images  # some metrics look at them
        notes = []
        name, dim = self.key.removeprefix("metric/"), self.extractor.dim
        for count, what in ((self.num_samples, "generated images"), (reals, "reals")):
            if count < dim:
                notes.append(
                    f"{name}: {count:,} {what} are fewer than the {dim:,} features, "
                    f"so the value is biased upward."
                )
        if self.num_reals is not None and reals < self.num_reals:
            notes.append(f"{name}: split '{self.split}' has {reals:,} reals, all are used.")
        return tuple(notes)

    def _protocol(self, images: ImageSet, reals: int) -> dict[str, Any]:
        available = len(images.images)
        protocol = {
            "data": images.name,
            "data_fingerprint": images.fingerprint,
            "split": images.split,
            "num_reals": reals,
            "reals": "all" if reals == available else f"a fixed subset of {available}",
            "num_samples": self.num_samples,
            **self.extractor.identity(),
            "pixels": "uint8, rounded and clamped",
            "distance": self.frechet.method(self.num_samples),
        }
        if self.kernel:
            protocol |= {
                "kid_subsets": self.kernel.subsets,
                "kid_subset_size": self.kernel.subset_size,
                "kid_num_reals": self.kernel.num_reals,
                "kid_num_samples": self.kernel.keep,
            }
        return protocol
