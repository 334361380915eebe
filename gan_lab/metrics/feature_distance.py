"""Distances between generated images and reals in the features of a fixed network."""

from __future__ import annotations

from typing import Any

from gan_lab.metrics.distances import Frechet, Kernel
from gan_lab.metrics.score import Metric, about_images
from gan_lab.metrics.views import Fakes, Reals


class FeatureDistance(Metric):
    """The Frechet distance, and a kernel distance beside it where `kernel_key` names one."""

    @property
    def kernel_key(self) -> str | None:
        """Key of the kernel distance, None where it is not measured."""
        return None

    @property
    def keys(self) -> tuple[str, ...]:
        """The Frechet distance, then the kernel one."""
        return (self.key, self.kernel_key) if self.kernel_key else (self.key,)

    def look_at(self, reals: Reals) -> None:
        """Take the statistics of the reals."""
        self.extractor = reals.extractor(self)
        found = reals.statistics(self)
        self.frechet = Frechet(found, self.extractor.exact_device)
        keep = min(self.keep, self.num_samples)
        self.kernel = Kernel(found.rows, keep=keep) if keep else None
        self.notes = self._notes(reals, found.count)
        self.protocol = self._protocol(reals, found.count)

    def reset(self) -> None:
        """Forget the fakes."""
        self.frechet.reset()
        if self.kernel:
            self.kernel.reset()

    def add(self, fakes: Fakes) -> None:
        """Add features of fakes."""
        assert fakes.features is not None
        self.frechet.add(fakes.features)
        if self.kernel:
            self.kernel.add(fakes.features)

    def compute(self) -> dict[str, float]:
        """The distances."""
        values = {self.key: self.frechet.compute()}
        if self.kernel and self.kernel_key:
            values[self.kernel_key] = self.kernel.compute(self.extractor.device)
        return values

    def _notes(self, reals: Reals, count: int) -> tuple[str, ...]:
        """Sentences about what makes the value doubtful."""
        notes, dim = [], self.extractor.dim
        for number, what in ((self.num_samples, "generated images"), (count, "reals")):
            if number < dim:
                notes.append(
                    f"{self.name}: {number:,} {what} are fewer than the {dim:,} features, "
                    f"so the value is biased upward."
                )
        wanted = reals.conditions.num_reals
        if wanted is not None and count < wanted:
            notes.append(
                f"{self.name}: split '{reals.images.split}' has {count:,} reals, all are used."
            )
        return tuple(notes)

    def _protocol(self, reals: Reals, count: int) -> dict[str, Any]:
        protocol = {
            **about_images(reals, count),
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
