"""Checks of one option's value; parts call them in their constructors."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gan_lab.common.errors import ConfigError, nearest


def in_range(
    name: str,
    value: float,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> None:
    """Raise ConfigError unless low <= value <= high and above < value < below; NaN never passes.

    A part gives the option's bare name, such as `width`: who builds it puts before it where the part lies.
    """
    if low <= value <= high and above < value < below:
        return
    left = f"({above:g}" if above > -math.inf else (f"[{low:g}" if low > -math.inf else "(-inf")
    right = f"{below:g})" if below < math.inf else (f"{high:g}]" if high < math.inf else "inf)")
    raise ConfigError(f"{name}={value}: must lie in {left}, {right}.")


def one_of(name: str, value: str, known: Sequence[str]) -> None:
    """Raise ConfigError unless value is one of the known names."""
    if value not in known:
        raise ConfigError(
            f"{name}={value}: must be one of {', '.join(known)}{nearest(str(value), known) or '.'}"
        )
