"""How long something may be said to take before somebody must have made a mistake."""

from __future__ import annotations

from gan_lab.common.errors import ConfigError

DAY = 86400.0
MOST_DAYS = 30.0


def refuse_endless(option: str, value: object, *, seconds: float) -> None:
    """Refuse an evaluation that would take more than a month.

    Args:
        option: that sets its size.
        value: of the option.
        seconds: that were estimated on this machine.

    Raises:
        ConfigError: with the days that it would take.
    """
    if seconds / DAY > MOST_DAYS:
        raise ConfigError(
            f"{option}={value}: one evaluation would take about {seconds / DAY:,.0f} days here, more than "
            f"{MOST_DAYS:.0f}; lower it, or evaluate on a faster machine."
        )


def long_run(seconds: float | None) -> str | None:
    """A sentence where a run is announced to take more than a month."""
    if seconds is None or seconds / DAY <= MOST_DAYS:
        return None
    return (
        f"At this pace the run would take about {seconds / DAY:,.0f} days; stop it with Ctrl-C if that is not meant, "
        "and set max_kimg, or max_time in minutes."
    )
