"""What the classes and attributes of a run's data are in generated images: scores of a classifier of its reals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from gan_lab.common.errors import ConfigError
from gan_lab.generation.source import source_of
from gan_lab.generation.trained import Pretrained
from gan_lab.media.images import to_uint8
from gan_lab.metrics.classifier import classifier_of
from gan_lab.metrics.small_network import to_size
from gan_lab.metrics.views import Conditions, Reals


def scores_of(
    model: Pretrained, options: Mapping[str, Any]
) -> tuple[list[str], Callable[[Tensor], Tensor]]:
    """Names of the classes or attributes, and a map from images (N, C, H, W) to scores (N, A).

    The classifier learns the run's real images once, as that of metrics=accuracy, and is kept in the cache.

    Raises:
        ConfigError: where the run's data has no labels.
    """
    source = source_of(model, options["data"]["root"])
    reals = Reals(source, model.device, Conditions(), batch_size=options["batch_size"])
    if reals.images.labels is None:
        raise ConfigError("do=attributes: the run's data has no classes; use do=directions.")
    network = classifier_of(reals, train_kimg=options["train_kimg"]).network
    answers = network.head.out_features
    names = list(source.facts.get("classes") or ()) or [str(index) for index in range(answers)]

    def scores(images: Tensor) -> Tensor:
        return network(to_size(to_uint8(images).float()))

    return [str(name) for name in names], scores
