"""The values that a run's evaluations found: the last, the best, and what a checkpoint keeps of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


class Scores:
    """Last and best value of one metric, lower being better.

    Attributes:
        last_images: images seen at the last evaluation; -1 before the first.
        last_value: its value.
        best_value: the lowest value whose weights lie in best.ckpt.
        unsaved: whether an evaluation is in no checkpoint yet.

    Args:
        key: of the metric in records; empty without one.
        protocol: under which its values hold.
    """

    def __init__(self, key: str = "", protocol: Mapping[str, Any] | None = None) -> None:
        self.key = key
        self.protocol = json.dumps(protocol or {}, sort_keys=True)
        self.last_images = -1
        self.last_value: float | None = None
        self.best_value: float | None = None
        self.unsaved = False

    def note(self, value: float, images_seen: int) -> None:
        """Take the value of an evaluation after so many images."""
        self.last_value, self.last_images = value, images_seen
        self.unsaved = True

    def better(self, images_seen: int) -> float | None:
        """The last value, if it is the best of those after training began and its weights are still there; else None.

        The untrained generator can score well by chance: noise is nearer to some sets of images than first shapes are.
        """
        value = self.last_value
        if (
            images_seen == 0
            or value is None
            or not math.isfinite(value)
            or self.last_images != images_seen
        ):
            return None
        return value if self.best_value is None or value < self.best_value else None

    def state(self, best_value: float | None) -> dict[str, Any]:
        """What a resumed run must know, once `best_value` is saved."""
        return {
            "key": self.key,
            "protocol": self.protocol,
            "last_images": self.last_images,
            "last_value": self.last_value,
            "best_value": best_value,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over `state`, but no value of another metric or protocol: they cannot be compared."""
        if (state.get("key"), state.get("protocol")) != (self.key, self.protocol):
            return
        self.last_images = state["last_images"]
        self.last_value = state["last_value"]
        self.best_value = state["best_value"]
