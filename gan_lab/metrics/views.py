"""What a metric is shown: batches of generated images, and the reals of one split."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from torch import Tensor

from gan_lab.common.ranges import in_range, one_of
from gan_lab.data.image_set import ImageSet
from gan_lab.metrics.extractor import Extractor
from gan_lab.metrics.statistics import Statistics, fewer_rows, rows_kept, statistics_of_reals
from gan_lab.process.progress import phase

if TYPE_CHECKING:
    from gan_lab.metrics.score import Metric

Sample = Callable[[int, int], Tensor]  # (start, count) -> images; it may have labels(start, count)


class Source(Protocol):
    """The part of a data set that a metric reads."""

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the parts that it is divided into."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What is known of the data, by name."""

    def load(self, split: str) -> ImageSet:
        """The images of one of them."""


@dataclass(frozen=True)
class Conditions:
    """What holds for all metrics of an evaluation.

    Args:
        num_reals: a fixed subset of the reals; None for all.
        batch_size: images at once; bounds memory and changes values by rounding only. None: what the metrics suggest.
        split: of the data set, whose images are the reals.
        batch_norm: `running` or `batch` statistics in the generator; read by the caller.
        max_days: an evaluation that is estimated to take longer is refused; None never.
        weights: file of Inception's weights; None looks for them.
    """

    num_reals: int | None = None
    batch_size: int | None = None
    split: str = "train"
    batch_norm: str = "running"
    max_days: float | None = 30.0
    weights: str | None = None

    def __post_init__(self) -> None:
        for name, low in (("num_reals", 2), ("batch_size", 1)):
            if (value := getattr(self, name)) is not None:
                in_range(f"metrics.{name}", value, low=low)
        if self.max_days is not None:
            in_range("metrics.max_days", self.max_days, above=0)
        one_of("metrics.batch_norm", self.batch_norm, ("running", "batch"))


class Fakes(NamedTuple):
    """A batch of what was generated.

    Attributes:
        images: as the game gives them, float (n, C, H, W) in [-1, 1].
        features: (n, d), float32, of the metric's extractor; None for a metric without one.
        labels: what was asked for, int64 (n,), or float (n, A) for several attributes; None where nothing was asked.
        rows: stored values (n, ...) by column, of the rows that they were made of; empty where of numbers.
        view: something else that the model makes of these rows, float (n, C, H, W): `view(direction=1)`.
        classify: the model's own classifier, from images (n, C, H, W) in [-1, 1] to logits (n, K), if it has one.
        moved: the same samples from a generator that is told to move them by shares of a side (n, 2), if it can.
    """

    images: Tensor
    features: Tensor | None
    labels: Tensor | None
    rows: Mapping[str, Tensor] = MappingProxyType({})
    view: Callable[..., Tensor] | None = None
    classify: Callable[[Tensor], Tensor] | None = None
    moved: Callable[[Tensor], Tensor] | None = None


class Reals:
    """The reals of one split, with the extractors that all metrics of an evaluation share.

    Args:
        source: of the data.
        device: where extractors run.
        conditions: of the evaluation.
        batch_size: images at once.
    """

    def __init__(
        self, source: Source, device: torch.device, conditions: Conditions, *, batch_size: int
    ) -> None:
        self.source = source
        self.device = device
        self.conditions = conditions
        self.batch_size = batch_size
        self._extractors: dict[Hashable, Extractor] = {}
        self._keep: dict[Hashable, int] = {}
        self._statistics: dict[Hashable, Statistics] = {}

    @cached_property
    def images(self) -> ImageSet:
        """All images of the split."""
        return self.source.load(self.conditions.split)

    def make_extractor(self, metric: Metric) -> None:
        """Make the extractor of a metric, unless an earlier one has asked for the same."""
        key = metric.extractor_key
        if key is None:
            return
        if key not in self._extractors:
            with phase("Loading the weights of the metric"):
                self._extractors[key] = metric.make_extractor(self.device, self.conditions)
        self._keep[key] = max(self._keep.get(key, 0), metric.keep)

    def extractor(self, metric: Metric) -> Extractor:
        """The extractor of a metric that has one."""
        return self._extractors[metric.extractor_key]

    def statistics(self, metric: Metric) -> Statistics:
        """Sums over the features of the reals, and as many of these as the metric keeps.

        Metrics of one extractor look at the reals together: each gets the rows that it would get alone.
        """
        key = metric.extractor_key
        if key not in self._statistics:
            self._statistics[key] = statistics_of_reals(
                self.images,
                self._extractors[key],
                num_reals=self.conditions.num_reals,
                keep=self._keep[key],
                batch_size=self.batch_size,
            )
        found = self._statistics[key]
        alone = rows_kept(found.count, metric.keep, dim=len(found.total))
        return fewer_rows(found, alone)

    def statistics_of_class(self, metric: Metric, label: int) -> Statistics:
        """Sums over the features of the reals of one class, at most `num_reals` of them."""
        return statistics_of_reals(
            self.images,
            self.extractor(metric),
            num_reals=self.conditions.num_reals,
            keep=0,
            batch_size=self.batch_size,
            label=label,
        )
