"""How often a classifier is right on images of a look that it has no labels of."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from gan_lab.common.errors import ConfigError
from gan_lab.data.table import SideBySide
from gan_lab.media.images import to_uint8
from gan_lab.metrics.score import Metric, about_images
from gan_lab.metrics.views import Fakes, Reals


class Adaptation(Metric):
    """The share of held-out targets of which a model's classifier tells the class; higher is better.

    Beside it the shares of held-out sources, and of these sources translated. A classifier that has adapted is nearly
    as good on targets as on sources.

    Args:
        every_kimg: evaluate when so many thousand training images were seen; 0 for the end only.
        num_samples: images of each kind, at most.
    """

    key = "metric/target_accuracy"
    lower_is_better: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset({"classifier"})
    beside: ClassVar[tuple[str, ...]] = ("metric/source_accuracy", "metric/translated_accuracy")

    def __init__(self, *, every_kimg: float = 10, num_samples: int = 2000) -> None:
        super().__init__(every_kimg=every_kimg, num_samples=num_samples)

    @property
    def keys(self) -> tuple[str, ...]:
        """The share of targets, then those of sources and translations."""
        return (self.key, *self.beside)

    def look_at(self, reals: Reals) -> None:
        """Keep both kinds of images with their labels.

        Raises:
            ConfigError: if the data has one kind alone, or the split has no labels of both.
        """
        data = reals.images
        columns = data.columns
        wanted = [f"{column}_{kind}" for kind in "ab" for column in ("images", "labels")]
        if not isinstance(data, SideBySide) or not set(wanted) <= set(columns):
            raise ConfigError(
                f"metrics: {self.name} needs two kinds of images with labels of both, which {data.name} ({data.split}) "
                "lacks; choose data=mnist_shifted and metrics.split=test."
            )
        self.device = reals.device
        self.values = {name: columns[name].values for name in wanted}
        self.protocol = {
            **about_images(reals, len(data)),
            "num_samples": min(self.num_samples, len(data)),
            "pixels": "uint8, rounded and clamped",
        }

    def reset(self) -> None:
        """Forget what the classifier said."""
        self.right: dict[str, list[Tensor]] = {key: [] for key in self.keys}
        self.at = 0

    def add(self, fakes: Fakes) -> None:
        """Ask the classifier about as many targets and sources as there are translations, and about these."""
        assert fakes.classify is not None, "this model has a classifier"
        rows = slice(self.at, self.at + len(fakes.images))
        self.at = rows.stop
        here = {name: values[rows] for name, values in self.values.items()}
        asked = (
            (here["images_b"], here["labels_b"]),
            (here["images_a"], here["labels_a"]),
            (to_uint8(fakes.images), here["labels_a"]),
        )
        for key, (images, labels) in zip(self.keys, asked, strict=True):
            logits = fakes.classify(images.to(self.device).float() / 127.5 - 1)
            self.right[key].append(logits.argmax(dim=1).cpu() == labels.cpu())

    def compute(self) -> dict[str, float]:
        """The shares that are right."""
        return {key: float(torch.cat(found).double().mean()) for key, found in self.right.items()}
