"""How well the class of each pixel is told, on a held-out split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

from gan_lab.common.class_maps import UNLABELLED
from gan_lab.common.errors import ConfigError
from gan_lab.media.images import to_uint8
from gan_lab.metrics.score import Metric, about_images
from gan_lab.metrics.views import Fakes, Reals, Sample

BATCH = 64  # maps at once, where the data is compared with itself


class Segmentation(Metric):
    """The mean over classes of intersection by union (mIoU); higher is better. The share of right pixels beside.

    Intersections and unions are counted over all pixels of the split together, as PASCAL VOC and Cityscapes do. A class
    that neither the truth nor the answers hold is left out of the mean. Maps have the size of the images in training.

    The protocol tells what an answer without learning gets: the most frequent class of the training split, everywhere.

    Args:
        every_kimg: evaluate when so many thousand training images were seen; 0 for the end only.
        num_samples: images of the split, at most.
    """

    key = "metric/miou"
    lower_is_better: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset({"numbers"})

    def __init__(self, *, every_kimg: float = 10, num_samples: int = 500) -> None:
        super().__init__(every_kimg=every_kimg, num_samples=num_samples)

    @property
    def keys(self) -> tuple[str, ...]:
        """The mean over classes, then the share of pixels."""
        return (self.key, "metric/pixel_accuracy")

    def meet(self, sample: Sample) -> None:
        """Learn how to ask for numbers of classes."""
        self.numbers = list(getattr(sample, "questions", {})["view"]).index("numbers")

    def look_at(self, reals: Reals) -> None:
        """Learn how many classes there are, and measure the answer without learning.

        Raises:
            ConfigError: if the data has no class maps.
        """
        classes = reals.source.facts.get("map_classes")
        if classes is None:
            raise ConfigError(
                f"metrics: {self.name} needs class maps, and {reals.images.name} has none; choose data=labels."
            )
        self.device = reals.device
        self.measures = _measures(int(classes), reals.device)
        truth = reals.images.columns["partner"].values
        self.protocol = {
            **about_images(reals, len(reals.images)),
            "num_samples": min(self.num_samples, len(reals.images)),
            "classes": int(classes),
            "maps": "of data.resolution, the nearest pixel taken",
            "counted": "all pixels of the split together, without unlabelled ones; classes that occur",
        }
        train = reals.source.load(reals.source.splits[0]).columns["partner"].values
        counts = torch.zeros(256, dtype=torch.int64)
        for part in train.split(BATCH):
            counts += part.flatten().bincount(minlength=256)
        likeliest = int(counts[:classes].argmax())
        self.reset()
        for part in truth[: self.num_samples].split(BATCH):
            self._count(torch.full_like(part, likeliest), part)
        for key, value in self.compute().items():
            self.protocol[f"{key.removeprefix('metric/')}_of_the_likeliest_class"] = value

    def reset(self) -> None:
        """Forget all answers."""
        for measure in self.measures.values():
            measure.reset()

    def _count(self, answer: Tensor, truth: Tensor) -> None:
        """Count maps, uint8 (N, 1, H, W)."""
        own, other = (maps[:, 0].to(self.device).long() for maps in (answer, truth))
        for measure in self.measures.values():
            measure.update(own, other)

    def add(self, fakes: Fakes) -> None:
        """Count the answers for the rows of the split."""
        assert fakes.view is not None
        answer = to_uint8(fakes.view(view=self.numbers))[:, :1]
        self._count(answer, fakes.rows["partner"])

    def compute(self) -> dict[str, float]:
        """Both, of all pixels counted."""
        return {key: float(measure.compute()) for key, measure in self.measures.items()}


def _measures(classes: int, device: torch.device) -> dict[str, Any]:
    """What counts, by key."""
    options = {"num_classes": classes, "ignore_index": UNLABELLED}
    made: dict[str, Callable[..., Any]] = {
        "metric/miou": MulticlassJaccardIndex,
        "metric/pixel_accuracy": MulticlassAccuracy,
    }
    averages = ("macro", "micro")
    return {
        key: kind(**options, average=average).to(device)
        for (key, kind), average in zip(made.items(), averages, strict=True)
    }
