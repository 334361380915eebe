"""Whether images of one kind, translated, look like those of the other: for folders that are not paired."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from gan_lab.data.table import SideBySide
from gan_lab.media.images import to_uint8
from gan_lab.metrics.score import Metric, about_images
from gan_lab.metrics.views import Fakes, Reals
from gan_lab.perceptual.distance import PerceptualDistance

WAYS = {"a": 1, "b": 0}  # into which kind, and the answer to `direction` that says so
BACK = 2  # the answer to `view` that shows an image translated there and back
BATCH = 32


class Translation(Metric):
    """The kernel distance of translated images from those of the other kind, mean of both directions; lower is better.

    It is the unbiased squared MMD with KID's cubic kernel (arXiv:1801.01401, section 4), on features of the project's
    small perceptual network: its mean is right for few images, and it may be below 0. The protocol tells what the
    sources themselves get: a translation that did something is nearer. Beside it the L1 distance of images that were
    translated there and back.

    Args:
        every_kimg: evaluate when so many thousand training images were seen; 0 for the end only.
        num_samples: images of the smaller kind, at most.
    """

    key = "metric/translation"
    needs: ClassVar[frozenset[str]] = frozenset({"directions"})
    beside: ClassVar[tuple[str, ...]] = (
        "metric/translation_a",
        "metric/translation_b",
        "metric/cycle",
    )

    def __init__(self, *, every_kimg: float = 2, num_samples: int = 200) -> None:
        super().__init__(every_kimg=every_kimg, num_samples=num_samples)

    @property
    def keys(self) -> tuple[str, ...]:
        """The mean, that of each direction, and the distance there and back."""
        return (self.key, *self.beside)

    def look_at(self, reals: Reals) -> None:
        """Take features of both kinds."""
        data = reals.images
        assert isinstance(data, SideBySide), "two kinds of images stand beside each other"
        self.distance = PerceptualDistance().to(reals.device)
        self.device = reals.device
        images = {kind: data.columns[f"images_{kind}"].values for kind in WAYS}
        self.reals = {kind: self._features(one) for kind, one in images.items()}
        between = kernel_distance(self.reals["a"], self.reals["b"])
        self.protocol = {
            **about_images(reals, len(data)),
            "num_samples": min(self.num_samples, len(data)),
            "perceptual": self.distance.name,
            "perceptual_sha256": self.distance.sha256,
            "translation_of_the_sources": between,
        }

    def reset(self) -> None:
        """Forget the fakes."""
        self.seen: dict[str, list[Tensor]] = {kind: [] for kind in WAYS}
        self.cycles: list[Tensor] = []

    def add(self, fakes: Fakes) -> None:
        """Look at both directions, and at what comes back."""
        assert fakes.view is not None
        for kind, direction in WAYS.items():
            made = to_uint8(fakes.view(direction=direction))
            self.seen[kind].append(self._features(made))
            source = fakes.rows[f"images_{'b' if kind == 'a' else 'a'}"].to(self.device).float()
            back = to_uint8(fakes.view(direction=direction, view=BACK)).float()
            self.cycles.append((back - source).abs().mean(dim=(1, 2, 3)) / 255)

    def compute(self) -> dict[str, float]:
        """The distances."""
        into = {
            kind: kernel_distance(torch.cat(found), self.reals[kind])
            for kind, found in self.seen.items()
        }
        return {
            self.key: (into["a"] + into["b"]) / 2,
            "metric/translation_a": into["a"],
            "metric/translation_b": into["b"],
            "metric/cycle": float(torch.cat(self.cycles).double().mean()),
        }

    @torch.no_grad()
    def _features(self, images: Tensor) -> Tensor:
        """Means over the places of each stage (N, 240), float64, of uint8 images."""
        found = []
        for part in images.split(BATCH):
            pixels = part.to(self.device).float() / 127.5 - 1
            stages = self.distance.network(pixels.expand(-1, 3, -1, -1))
            found.append(torch.cat([maps.mean(dim=(2, 3)) for maps in stages], dim=1))
        return torch.cat(found).double().cpu()


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
