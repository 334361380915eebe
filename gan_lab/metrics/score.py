"""What every metric is: its options, what it needs, and what it is asked while samples pass by."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, ClassVar, NamedTuple

import torch

from gan_lab.common.ranges import in_range
from gan_lab.metrics.extractor import Extractor
from gan_lab.metrics.views import Conditions, Fakes, Reals, Sample, Source

PREFIX = "metric/"


class Score(NamedTuple):
    """Values with the protocol they were measured under."""

    values: dict[str, float]
    protocol: dict[str, Any]
    seconds: float


class Metric:
    """Something measured on generated images, alone or beside others in one evaluation.

    A new one defines `key`, `look_at`, `reset`, `add` and `compute`, and names what else it needs.

    Args:
        every_kimg: evaluate when so many thousand training images were seen; 0 for the end only.
        num_samples: generated images.
    """

    key: str  # of the value that ranks; it begins with metric/
    lower_is_better: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = (
        frozenset()
    )  # beside fakes and reals: labels, or what a game offers by name
    draws_again: ClassVar[bool] = False  # whether it makes every image once more itself
    batch_sizes: ClassVar[dict[str, int]] = {"cpu": 64, "cuda": 256}
    keep: int = 0  # features of reals that `look_at` wants to see, at most

    def __init__(self, *, every_kimg: float, num_samples: int) -> None:
        in_range("every_kimg", every_kimg, low=0)
        in_range("num_samples", num_samples, low=2)
        self.every_kimg = every_kimg
        self.num_samples = num_samples
        self.notes: tuple[str, ...] = ()  # sentences for the user, once the reals were looked at
        self.protocol: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """The key as people write it in options: small_frechet."""
        return self.key.removeprefix(PREFIX)

    @property
    def keys(self) -> tuple[str, ...]:
        """The values that it gives and that may rank checkpoints, the main one first."""
        return (self.key,)

    @property
    def extractor_key(self) -> Hashable:
        """Equal for metrics that can share an extractor; None for a metric that needs none."""
        return None

    def make_extractor(self, device: torch.device, conditions: Conditions) -> Extractor:
        """Build the extractor; raises WeightsError where its weights are missing or unusable."""
        raise NotImplementedError

    def look_at(self, reals: Reals) -> None:
        """See the reals, once; afterwards `notes` and `protocol` are there.

        Raises:
            DataError: if the reals do not do.
        """
        raise NotImplementedError

    def meet(self, sample: Sample) -> None:
        """Learn what samples offer before any is drawn, for a metric whose `keys` depend on it; here none does."""

    def reset(self) -> None:
        """Forget the fakes."""
        raise NotImplementedError

    def add(self, fakes: Fakes) -> None:
        """See the next batch of fakes."""
        raise NotImplementedError

    def compute(self) -> dict[str, float]:
        """The values of the fakes seen, the one that ranks first."""
        raise NotImplementedError

    # Alone ------------------------------------------------------------------------------------

    def prepare(
        self, source: Source, device: torch.device, conditions: Conditions | None = None
    ) -> None:
        """Prepare this metric alone; see `Metrics.prepare`."""
        from gan_lab.metrics.together import Metrics

        self._alone = Metrics([self], conditions)
        self._alone.prepare(source, device)

    def estimate_seconds(self, sample: Sample) -> float:
        """What an evaluation by this metric alone will take; see `Metrics.estimate_seconds`."""
        return sum(self._alone.estimate_seconds(sample).values())

    def score(
        self,
        sample: Sample,
        cancelled: Callable[[], bool] = lambda: False,
        advance: Callable[[int], object] = lambda _: None,
    ) -> Score | None:
        """Score by this metric alone; see `Metrics.score`."""
        found = self._alone.score(sample, cancelled, advance)
        return None if found is None else found[self.key]


def about_images(reals: Reals, count: int) -> dict[str, Any]:
    """What a protocol says of the reals that a value was measured against."""
    images, available = reals.images, len(reals.images)
    return {
        "data": images.name,
        "data_fingerprint": images.fingerprint,
        "split": images.split,
        "num_reals": count,
        "reals": "all" if count == available else f"a fixed subset of {available}",
    }
