"""One evaluation by several metrics: the samples are drawn once, and each extractor sees them once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gan_lab.common.errors import ConfigError, nearest
from gan_lab.media.images import to_uint8
from gan_lab.metrics.extractor import Extractor
from gan_lab.metrics.isolation import untouched_randomness
from gan_lab.metrics.score import PREFIX, Metric, Score
from gan_lab.metrics.timing import seconds_per_image
from gan_lab.metrics.views import Conditions, Fakes, Reals, Sample, Source
from gan_lab.process.progress import phase


class Metrics:
    """The metrics of a run.

    Attributes:
        key: of the value that ranks checkpoints.
        ranking: the metric that gives it.
        about_reals: sentences about the images, once they were read.

    Args:
        metrics: at least one; the first ranks checkpoints unless `monitor` says otherwise.
        conditions: that hold for all of them.
        monitor: key of the value that ranks, with or without `metric/`.

    Raises:
        ConfigError: if two have one key, or `monitor` names no value.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        conditions: Conditions | None = None,
        *,
        monitor: str | None = None,
    ) -> None:
        self.metrics = list(metrics)
        self.conditions = conditions or Conditions()
        self.device = torch.device("cpu")
        self.about_reals: tuple[str, ...] = ()
        _refuse_twice([key for one in self.metrics for key in one.keys])
        owners = {key: one for one in self.metrics for key in one.keys}
        self.key = _known_key(monitor, list(owners))
        self.ranking = owners[self.key]

    @property
    def num_samples(self) -> int:
        """Images that a whole evaluation draws."""
        return max(one.num_samples for one in self.metrics)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what makes a value doubtful."""
        return tuple(note for one in self.metrics for note in one.notes)

    def samples_for(self, keys: Collection[str]) -> int:
        """Images that an evaluation by the metrics of these keys draws."""
        return max(one.num_samples for one in self.metrics if one.key in keys)

    def prepare(self, source: Source, device: torch.device) -> None:
        """Find and check the weights, then open or compute the statistics of the reals.

        Raises:
            ConfigError: if the data set has no such split, or lacks labels that a metric needs.
            WeightsError: if an extractor cannot be had.
            DataError: if there are too few reals.
        """
        self.device, split = device, self.conditions.split
        if split not in source.splits:
            raise ConfigError(
                f"metrics.split={split}: this data set has {', '.join(source.splits)}"
                f"{nearest(split, source.splits)}"
            )
        suggested = [one.batch_sizes.get(device.type, 64) for one in self.metrics]
        self.batch_size = self.conditions.batch_size or min(suggested)
        reals = Reals(source, device, self.conditions, batch_size=self.batch_size)
        with untouched_randomness(device):
            for one in self.metrics:
                _refuse_points(one, source)
                reals.make_extractor(one)
            for one in self.metrics:
                if "labels" in one.needs and reals.images.labels is None:
                    raise ConfigError(
                        f"metrics: {one.name} needs labels, and {reals.images.name} has none; choose "
                        "metrics=small, or data with classes such as data=fashion_mini."
                    )
                one.look_at(reals)
        self.extractors = {
            one.extractor_key: reals.extractor(one)
            for one in self.metrics
            if one.extractor_key is not None
        }
        self.about_reals = tuple(reals.images.sentences())
        self.rows = reals.images

    def estimate_seconds(self, sample: Sample) -> dict[str, float]:
        """Time few images and extrapolate to each metric's `num_samples`; computing its value is not in it.

        Returns:
            Seconds by key; of metrics that share an extractor the longest pays, the others cost nothing.

        Raises:
            ConfigError: if what makes the images does not offer what a metric needs.
        """
        self.refuse_unmet(sample)
        seconds: dict[str, float] = {}
        quiet = untouched_randomness(self.device)
        with phase("Timing an evaluation"), quiet, torch.no_grad():
            keys = dict.fromkeys(one.extractor_key for one in self.metrics)
            for key in keys:
                sharing = [one for one in self.metrics if one.extractor_key == key]
                payer = max(sharing, key=lambda one: one.num_samples)
                each = seconds_per_image(
                    partial(self._through, sample, key), min(self.batch_size, payer.num_samples)
                )
                # Beside other metrics, their plain samples are in their own time already.
                each *= 2 if payer.draws_again and len(keys) == 1 else 1
                seconds |= {one.key: each * payer.num_samples * (one is payer) for one in sharing}
        return seconds

    def refuse_unmet(self, sample: Sample) -> None:
        """Refuse a metric that asks for what the samples do not come with.

        Raises:
            ConfigError: naming the metric and what it needs.
        """
        offered = set(getattr(sample, "offers", ()))
        columns = getattr(sample, "made_of", ())
        missing = [name for name in columns if name not in self.rows.columns]
        if missing:
            raise ConfigError(
                f"data: this model makes its samples of {missing[0]}, and {self.rows.name} has none; choose data=pairs "
                "or data=unpaired."
            )
        compared = getattr(sample, "compared_with", ())
        if compared:
            offered.add("pairs")
            _refuse_images(self.metrics, compared)
        elif columns and "images" not in columns:
            offered.add("directions")
        if _labels(sample, 0, 1) is not None:
            offered.add("labels")
        for one in self.metrics:
            for need in sorted(one.needs - offered):
                what = (
                    "images of a class that was asked for, and this model takes no labels; choose a conditional model"
                    if need == "labels"
                    else f"{need}, which this model does not offer; choose another model"
                )
                raise ConfigError(f"metrics: {one.name} needs {what}, or metrics=small.")
            if columns:  # a sample for each row at most
                one.num_samples = min(one.num_samples, len(self.rows))
            one.meet(sample)
        if self.key not in self.ranking.keys:
            raise ConfigError(
                f"checkpoint.monitor={self.key}: of this model there is no such value; {self.ranking.name} gives "
                f"{', '.join(self.ranking.keys)}."
            )

    def score(
        self,
        sample: Sample,
        cancelled: Callable[[], bool] = lambda: False,
        advance: Callable[[int], object] = lambda _: None,
        *,
        only: Collection[str] | None = None,
    ) -> dict[str, Score] | None:
        """Score images 0 .. num_samples - 1 of `sample`, which maps (start, count) to images.

        Random states are left as they were found. A value is NaN where an image was not finite.

        Args:
            sample: gives float images (count, C, H, W) in [-1, 1]; with `labels(start, count)` where it has labels.
            cancelled: asked before each batch.
            advance: told how many images were scored, after each batch.
            only: keys of the metrics that score; None for all.

        Returns:
            Values, protocol and seconds by the metric's key, in the order of the metrics; None if cancelled. The
            seconds are those of the whole evaluation.
        """
        start = time.perf_counter()
        chosen = [one for one in self.metrics if only is None or one.key in only]
        for one in chosen:
            one.reset()
        finite: dict[str, Tensor] = {}  # read once: each reading would wait for the device
        with untouched_randomness(self.device), torch.no_grad():
            for at, count in self._batches(chosen):
                if cancelled():
                    return None
                self._show(chosen, sample, at, count, finite=finite)
                advance(count)
            values = {one.key: _values(one, finite[one.key]) for one in chosen}
        seconds = time.perf_counter() - start
        return {one.key: Score(values[one.key], _protocol(one), seconds) for one in chosen}

    def _show(
        self,
        chosen: Sequence[Metric],
        sample: Sample,
        at: int,
        count: int,
        *,
        finite: dict[str, Tensor],
    ) -> None:
        """Show a batch to every metric that wants so many samples."""
        images, beside = self._made(sample, at, count)
        wanted = {one.key: min(count, one.num_samples - at) for one in chosen}
        labels = _labels(sample, at, count) if any(one.needs for one in chosen) else None
        features: dict[Hashable, Tensor] = {}
        for key, extractor in self.extractors.items():
            most = max([0, *(wanted[one.key] for one in chosen if one.extractor_key == key)])
            if most > 0:
                features[key] = _features(extractor, images[:most])
        for one in chosen:
            own = wanted[one.key]
            if own <= 0:
                continue
            all_finite = images[:own].isfinite().all()
            finite[one.key] = finite[one.key] & all_finite if one.key in finite else all_finite
            seen = features.get(one.extractor_key)
            one.add(
                Fakes(
                    images[:own],
                    None if seen is None else seen[:own],
                    None if labels is None else labels[:own],
                    **beside(own),
                )
            )

    def _through(self, sample: Sample, key: Hashable, count: int) -> Tensor:
        images, _ = self._made(sample, 0, count)
        return _features(self.extractors[key], images) if key is not None else images

    def _made(
        self, sample: Sample, at: int, count: int
    ) -> tuple[Tensor, Callable[[int], dict[str, Any]]]:
        """Samples, and what goes with the first so many of them: the rows of the split that they were made of."""
        columns = getattr(sample, "made_of", ())
        if not columns:
            return sample(at, count), partial(_movable, sample, at)
        numbers = list(range(at, at + count))
        rows = {}
        for name in columns:
            values = self.rows.columns[name].values
            rows[name] = values[torch.tensor(numbers) % len(values)]

        def beside(own: int) -> dict[str, Any]:
            few = {name: values[:own] for name, values in rows.items()}
            view = partial(sample.of_rows, few, numbers[:own])  # type: ignore[attr-defined]
            return {"rows": few, "view": view, "classify": getattr(sample, "classify", None)}

        return sample.of_rows(rows, numbers), beside  # type: ignore[attr-defined]

    def _batches(self, chosen: Sequence[Metric]) -> Iterator[tuple[int, int]]:
        most = max(one.num_samples for one in chosen)
        for at in range(0, most, self.batch_size):
            yield at, min(self.batch_size, most - at)


def _refuse_twice(keys: Sequence[str]) -> None:
    for key in keys:
        if keys.count(key) > 1:
            raise ConfigError(
                f"metrics: {key} is measured twice; leave one of the two metrics out."
            )


def _refuse_images(metrics: Sequence[Metric], compared: Collection[str]) -> None:
    """Refuse to compare photographs with what is none: class maps."""
    for one in metrics:
        of_images = one.extractor_key is not None or "pairs" in one.needs
        if of_images and "images" not in compared:
            raise ConfigError(
                f"metrics: {one.name} compares images, and this model makes class maps of them; choose "
                "metrics=segmentation."
            )


def _refuse_points(metric: Metric, source: Source) -> None:
    """Refuse features of images where the data has points, which are no pictures."""
    if metric.extractor_key is not None and getattr(source, "facts", {}).get("channels") == 2:
        raise ConfigError(
            f"metrics: {metric.name} looks at images, and this data has points; choose metrics=modes or metrics=none."
        )


def _features(extractor: Extractor, images: Tensor) -> Tensor:
    return extractor.features(to_uint8(images))


def _movable(sample: Sample, at: int, own: int) -> dict[str, Any]:
    """The first so many samples of a batch once more, moved, where what makes them can do so."""
    moved = getattr(sample, "moved", None)
    return {} if moved is None else {"moved": partial(moved, at, own)}


def _labels(sample: Sample, start: int, count: int) -> Tensor | None:
    ask = getattr(sample, "labels", None)
    return None if ask is None else ask(start, count)


def _values(metric: Metric, finite: Tensor) -> dict[str, float]:
    return metric.compute() if bool(finite) else dict.fromkeys(metric.keys, math.nan)


def _protocol(metric: Metric) -> dict[str, Any]:
    """The metric's protocol; a higher value being better is said, a lower one being better goes without saying."""
    return {**metric.protocol, **({} if metric.lower_is_better else {"higher_is_better": True})}


def _known_key(monitor: str | None, known: Sequence[str]) -> str:
    if monitor is None:
        return known[0]
    for key in (monitor, f"{PREFIX}{monitor}"):
        if key in known:
            return key
    raise ConfigError(
        f"checkpoint.monitor={monitor}: the chosen metrics give {', '.join(known)}"
        f"{nearest(monitor, [*known, *(key.removeprefix(PREFIX) for key in known)]) or '.'}"
    )
