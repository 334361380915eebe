"""Whether images of one kind, translated, look like those of the other: for folders that are not paired."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from gan_lab.common.errors import ConfigError
from gan_lab.data.table import SideBySide
from gan_lab.media.images import to_uint8
from gan_lab.metrics.extractor import Extractor
from gan_lab.metrics.score import Metric, about_images
from gan_lab.metrics.views import Fakes, Reals, Sample
from gan_lab.perceptual.distance import PerceptualDistance

OTHER = {"a": "b", "b": "a"}  # which kind becomes the other


class PerceptualMeans(Extractor):
    """Means over the places of each stage of the small perceptual network: 240 numbers of an image."""

    resize = "none; grey images repeated to three channels"
    cpu_batch = 32

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        distance = PerceptualDistance().to(device)
        self.network = distance.network
        self.name = self.weights = distance.name
        self.sha256, self.dim = distance.sha256, 240

    def forward(self, images: Tensor) -> Tensor:
        """Map uint8 images (N, C, H, W) to (N, 240)."""
        stages = self.network((images.float() / 127.5 - 1).expand(-1, 3, -1, -1))
        return torch.cat([maps.mean(dim=(2, 3)) for maps in stages], dim=1)


class Translation(Metric):
    """The kernel distance of translated images from those of the other kind; lower is better.

    It is the unbiased squared MMD with KID's cubic kernel (arXiv:1801.01401, section 4), on features of the project's
    small perceptual network, or of Inception, as `metric/translation_768` and so on: its mean is right for few images,
    and it may be below 0. The protocol tells what the
    sources themselves get: a translation that did something is nearer. A model that goes both ways gets the mean of
    both directions, and one that shows images translated there and back their L1 distance beside.

    Args:
        every_kimg: evaluate when so many thousand training images were seen; 0 for the end only.
        num_samples: images of the smaller kind, at most.
        feature: None for the small perceptual network; 2048, 768, 192 or 64 for a layer of Inception.
    """

    key = "metric/translation"
    needs: ClassVar[frozenset[str]] = frozenset({"directions"})

    def __init__(
        self, *, every_kimg: float = 2, num_samples: int = 200, feature: int | None = None
    ) -> None:
        super().__init__(every_kimg=every_kimg, num_samples=num_samples)
        self.feature = feature
        if feature is not None:
            from gan_lab.metrics.inception import known_feature

            known_feature(feature)
            self.key = f"metric/translation_{feature}"
        # What a model may offer at most; `meet` tells what it does.
        self.ways: Mapping[str, Mapping[str, int]] = {kind: {} for kind in OTHER}
        self.back: int | None = 0

    @property
    def keys(self) -> tuple[str, ...]:
        """The mean, that of each direction where there are two, and the distance there and back where images return."""
        directions = [f"{self.key}_{kind}" for kind in self.ways]
        cycle = ["metric/cycle"] if self.back is not None else []
        return (self.key, *(directions if len(directions) > 1 else ()), *cycle)

    def meet(self, sample: Sample) -> None:
        """Learn which kinds of images the samples may be, what to ask for each, and whether images come back."""
        questions = getattr(sample, "questions", {})
        views, directions = questions.get("view", ()), list(questions.get("direction", ()))
        self.ways = {
            kind: {"direction": directions.index(f"{other} to {kind}")} if directions else {}
            for kind, other in OTHER.items()
            if f"images_{other}" in getattr(sample, "made_of", ())
        }
        self.back = list(views).index("back") if "back" in views else None

    def look_at(self, reals: Reals) -> None:
        """Take features of both kinds.

        Raises:
            ConfigError: if the data has one kind alone.
        """
        data = reals.images
        if not isinstance(data, SideBySide):
            raise ConfigError(
                f"metrics: translation needs two kinds of images, and {data.name} has one; choose data=unpaired, or "
                "other metrics."
            )
        self.extractor = self._extractor(reals)
        images = {kind: data.columns[f"images_{kind}"].values for kind in OTHER}
        self.reals = {kind: self._features(one) for kind, one in images.items()}
        between = kernel_distance(self.reals["a"], self.reals["b"])
        self.protocol = {
            **about_images(reals, len(data)),
            "num_samples": min(self.num_samples, len(data)),
            **self.extractor.identity(),
            "translation_of_the_sources": between,
        }

    def reset(self) -> None:
        """Forget the fakes."""
        self.seen: dict[str, list[Tensor]] = {kind: [] for kind in self.ways}
        self.cycles: list[Tensor] = []

    def add(self, fakes: Fakes) -> None:
        """Look at each direction, and at what comes back."""
        assert fakes.view is not None
        for kind, asked in self.ways.items():
            made = fakes.view(**asked) if asked else fakes.images
            self.seen[kind].append(self._features(to_uint8(made)))
            if self.back is None:
                continue
            source = fakes.rows[f"images_{OTHER[kind]}"].to(self.extractor.device).float()
            back = to_uint8(fakes.view(**asked, view=self.back)).float()
            self.cycles.append((back - source).abs().mean(dim=(1, 2, 3)) / 255)

    def compute(self) -> dict[str, float]:
        """The distances."""
        into = {
            kind: kernel_distance(torch.cat(found), self.reals[kind])
            for kind, found in self.seen.items()
        }
        found = {self.key: sum(into.values()) / len(into)}
        found |= {f"{self.key}_{kind}": value for kind, value in into.items()}
        if self.back is not None:
            found["metric/cycle"] = float(torch.cat(self.cycles).double().mean())
        return {key: found[key] for key in self.keys}

    def _extractor(self, reals: Reals) -> Extractor:
        if self.feature is None:
            return PerceptualMeans(reals.device)
        from gan_lab.metrics.inception import InceptionFeatures
        from gan_lab.metrics.inception_weights import find_weights

        weights = find_weights(reals.conditions.weights, feature=self.feature)
        return InceptionFeatures(weights, feature=self.feature, device=reals.device)

    @torch.no_grad()
    def _features(self, images: Tensor) -> Tensor:
        """Features (N, d), float64, of uint8 images."""
        return self.extractor.features(images).double().cpu()


def kernel_distance(first: Tensor, second: Tensor) -> float:
    """Unbiased squared MMD of rows (N, d) and (M, d) with the kernel (x y / d + 1)^3: arXiv:1801.01401, eq. 4."""
    within: Mapping[str, Tensor] = {
        name: _without_diagonal(_kernel(one, one)) for name, one in (("x", first), ("y", second))
    }
    return float(within["x"] + within["y"] - 2 * _kernel(first, second).mean())


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _without_diagonal(kernel: Tensor) -> Tensor:
    count = len(kernel)
    return (kernel.sum() - kernel.diagonal().sum()) / (count * (count - 1))
