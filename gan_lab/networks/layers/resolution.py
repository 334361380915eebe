"""Resolutions that networks reach by doubling."""

from __future__ import annotations

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range

RESOLUTIONS = (16, 32, 64, 128, 256, 512)


def doublings(resolution: int, family: str) -> int:
    """Return how often 4 doubles up to `resolution`, such as 4 for 64.

    Raises:
        ConfigError: if the resolution is not a power of two from 16 to 512.
    """
    if resolution not in RESOLUTIONS:
        raise ConfigError(
            f"data.resolution={resolution}: the {family} networks double from 4, "
            "use 16, 32, 64, 128, 256 or 512."
        )
    return RESOLUTIONS.index(resolution) + 2


def widths(resolution: int, *, width: int, max_width: int, family: str) -> list[int]:
    """Channels at 4, 8, ..., resolution px: `width` at the finest, twice as many at each coarser one up to `max_width`.

    Raises:
        ConfigError: if the resolution cannot be reached, or the widths are out of range.
    """
    in_range("width", width, low=1)
    in_range("max_width", max_width, low=width)
    return [
        min(width << halved, max_width)
        for halved in reversed(range(doublings(resolution, family) + 1))
    ]
