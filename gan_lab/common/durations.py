"""How long something may be said to take before somebody must have made a mistake."""

from __future__ import annotations

from gan_lab.common.errors import ConfigError

DAY = 86400.0
MOST_DAYS = 30.0


def refuse_endless(num_samples: int, *, seconds: float, max_days: float | None) -> None:
    """Refuse an evaluation that would take so long that somebody must have made a mistake.

    Args:
        num_samples: its size.
        seconds: that were estimated on this machine.
        max_days: the option metrics.max_days; None refuses nothing.

    Raises:
        ConfigError: with the days that it would take.
    """
    if max_days is not None and seconds / DAY > max_days:
        raise ConfigError(
            f"metrics.num_samples={num_samples}: one evaluation would take about {seconds / DAY:,.3g} days here, "
            f"more than metrics.max_days={max_days:g}; lower the one, raise the other, or use a faster machine."
        )


def long_run(seconds: float | None) -> str | None:
    """A sentence where a run is announced to take more than a month."""
    if seconds is None or seconds / DAY <= MOST_DAYS:
        return None
    return (
        f"At this pace the run would take about {seconds / DAY:,.0f} days; stop it with Ctrl-C if that is not meant, "
        "and set max_kimg, or max_time in minutes."
    )
