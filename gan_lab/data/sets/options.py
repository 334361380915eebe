"""Checks of the options that all data sets share."""

from __future__ import annotations

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range, one_of


def check_options(*, resolution: int, on_error: str = "raise", max_pixels: int = 1) -> None:
    """Raise ConfigError unless the numbers are sensible and on_error is known."""
    if int(resolution) != resolution:
        raise ConfigError(f"data.resolution={resolution}: must be a whole number of pixels.")
    in_range("data.resolution", resolution, low=8, high=4096)
    in_range("data.max_pixels", max_pixels, low=1)
    one_of("data.on_error", on_error, ("raise", "skip"))


def check_jitter(jitter: float) -> None:
    """Raise ConfigError unless images may be enlarged so far before they are cut to their size again."""
    in_range("data.jitter", jitter, low=1, high=2)


def check_split(name: str, split: str, splits: tuple[str, ...]) -> None:
    """Raise ConfigError unless the data set has the split."""
    if split not in splits:
        raise ConfigError(f"data={name}: has no split {split!r}; use {' or '.join(splits)}.")


def counted(here: int, total: int, *, owner: str, split: str) -> tuple[str, ...]:
    """Return the sentence that says how much of a set is here, or nothing where it is complete."""
    if here == total:
        return ()
    return (f"{here:,} of {owner}'s {total:,} {split} images are here.",)
