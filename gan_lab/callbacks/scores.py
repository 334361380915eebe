"""The values that a run's evaluations found: the last, the best, and what a checkpoint keeps of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


class Scores:
    """Last and best value of the metric that ranks, and when each metric has scored last.

    Attributes:
        last_images: images seen at the last evaluation that ranks; -1 before the first.
        last_value: its value.
        best_value: the best value whose weights lie in best.ckpt.
        seen: images seen at the last evaluation, by the key of each metric.
        unsaved: whether an evaluation is in no checkpoint yet.

    Args:
        key: of the value in records that ranks; empty without one.
        protocol: under which its values hold.
        lower_is_better: whether the lowest value is the best one.
    """

    def __init__(
        self,
        key: str = "",
        protocol: Mapping[str, Any] | None = None,
        *,
        lower_is_better: bool = True,
    ) -> None:
        self.key = key
        self.lower_is_better = lower_is_better
        self.seen: dict[str, int] = {}
        self.protocol = json.dumps(protocol or {}, sort_keys=True)
        self.last_images = -1
        self.last_value: float | None = None
        self.best_value: float | None = None
        self.unsaved = False

    def note(self, value: float, images_seen: int) -> None:
        """Take the value that ranks of an evaluation after so many images."""
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
        best = self.best_value
        if best is None:
            return value
        return value if (value < best if self.lower_is_better else value > best) else None

    def state(self, best_value: float | None) -> dict[str, Any]:
        """What a resumed run must know, once `best_value` is saved."""
        return {
            "key": self.key,
            "protocol": self.protocol,
            "last_images": self.last_images,
            "last_value": self.last_value,
            "best_value": best_value,
            "seen": dict(self.seen),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over `state`, but no value of another metric or protocol: they cannot be compared."""
        if (state.get("key"), state.get("protocol")) != (self.key, self.protocol):
            return
        self.seen = dict(state.get("seen") or {self.key: state["last_images"]})
        self.last_images = state["last_images"]
        self.last_value = state["last_value"]
        self.best_value = state["best_value"]
