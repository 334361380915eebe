"""What metrics that know classes share: reals with one label each, and keys by class."""

from __future__ import annotations

from gan_lab.common.errors import ConfigError
from gan_lab.metrics.views import Reals

MOST = 20  # classes that have a value of their own


def class_names(reals: Reals, name: str) -> tuple[str, ...]:
    """Names of the classes of the reals.

    Args:
        reals: with labels.
        name: of the metric that asks.

    Raises:
        ConfigError: if the labels are several attributes at once.
    """
    labels = reals.images.labels
    assert labels is not None
    if labels.dim() > 1:
        raise ConfigError(
            f"metrics: {name} needs one class for each image, and {reals.images.name} has several attributes; "
            "choose metrics=accuracy, or one attribute."
        )
    return reals.images.classes or tuple(map(str, range(int(labels.max()) + 1)))


def class_keys(key: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """A key below `key` for each class; none where there are more than 20."""
    plain = (name.replace("/", "-").replace(" ", "_") for name in names)
    return tuple(f"{key}/{name}" for name in plain) if len(names) <= MOST else ()
