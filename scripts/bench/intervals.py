"""The median of a few measurements, and how sure it is."""

from __future__ import annotations

import statistics


def median_and_interval(values: list[float]) -> list[float]:
    """Median with its interval by order statistics: 95 % or more from 15 values on."""
    values = sorted(values)
    cut = max(0, int(len(values) / 2 - 0.98 * len(values) ** 0.5))
    return [round(v, 5) for v in (statistics.median(values), values[cut], values[-1 - cut])]
