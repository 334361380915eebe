"""Resolutions that networks reach by doubling."""

from __future__ import annotations

from gan_lab.common.errors import ConfigError

RESOLUTIONS = (16, 32, 64, 128, 256)


def doublings(resolution: int, family: str) -> int:
    """Return how often 4 doubles up to `resolution`, such as 4 for 64.

    Raises:
        ConfigError: if the resolution is not a power of two from 16 to 256.
    """
    if resolution not in RESOLUTIONS:
        raise ConfigError(
            f"data.resolution={resolution}: the {family} networks double from 4, "
            "use 16, 32, 64, 128 or 256."
        )
    return RESOLUTIONS.index(resolution) + 2
