"""Under which protocol a metric was measured, and when two values may be compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

# Keys of records that are no distances.
NOT_DISTANCES = ("metric/seconds", "metric/time_share")


def distances(record: Mapping[str, Any]) -> dict[str, Any]:
    """The metric values of a record, null where one was not finite; the first one ranks."""
    return {
        k: v
        for k, v in record.items()
        if k.startswith("metric/") and k not in NOT_DISTANCES and isinstance(v, int | float | None)
    }


def identity(protocol: Mapping[str, Any]) -> str:
    """A text that is equal for protocols whose values may be compared; times do not count."""
    timeless = {k: v for k, v in protocol.items() if "seconds" not in k and "time" not in k}
    return json.dumps(timeless, sort_keys=True)


def lower_is_better(protocol: Mapping[str, Any]) -> bool:
    """Whether the lowest value is the best one under this protocol, which says so where it is not."""
    return protocol.get("higher_is_better") is not True


def direction(protocol: Mapping[str, Any]) -> str:
    """The same in words."""
    return f"{'lower' if lower_is_better(protocol) else 'higher'} is better"


def describe(protocol: Mapping[str, Any]) -> str:
    """What people ask for first, in one line."""
    get = protocol.get
    split = f" ({get('split')})" if get("split") else ""
    feature = f", feature {get('feature')}" if get("feature") else ""
    parts = [
        f"{_count(get('num_samples'))} samples" if get("num_samples") else "",
        f"{_count(get('num_reals'))} reals of {get('data')}{split}" if get("num_reals") else "",
        f"{get('extractor')}{feature}" if get("extractor") else "",
        f"classifier right on {_share(get('classifier_accuracy'))} of reals"
        if get("classifier_accuracy")
        else "",
        "raw weights" if get("ema") is False else "",
        "batch statistics in the generator" if get("batch_norm") == "batch" else "",
    ]
    return "; ".join(part for part in parts if part) or "protocol not recorded"


def _share(value: Any) -> str:
    return f"{value:.1%}" if isinstance(value, float) else str(value)


def _count(value: Any) -> str:
    """A number with its thousands marked; a stored protocol may hold anything."""
    return f"{value:,}" if isinstance(value, int) else str(value)
