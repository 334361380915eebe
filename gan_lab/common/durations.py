"""How long something may be said to take before somebody must have made a mistake."""

from __future__ import annotations

from gan_lab.common.errors import ConfigError

DAY = 86400.0
MOST_DAYS = 30.0
MOST_DAYS_ON_CPU = 1.0
LONG_EVALUATIONS = 1800.0  # seconds of all of a run's
QUICK_EVALUATIONS = 600.0


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


def slow_training(seconds: float, *, device: str) -> str | None:
    """A sentence where training takes so long on this machine that a mistake is likely.

    Args:
        seconds: that were estimated.
        device: cpu, where a day is long; on others a month is.
    """
    if seconds / DAY <= (MOST_DAYS_ON_CPU if device == "cpu" else MOST_DAYS):
        return None
    return (
        f"At this pace training takes {in_words(seconds)} here; stop it with Ctrl-C if that is not meant. "
        "max_kimg, or max_time in minutes, ends it earlier."
    )


def slow_evaluations(seconds: float, *, num_samples: int, instead: str) -> str | None:
    """A sentence where a run's evaluations take so long on this machine that a mistake is likely.

    Args:
        seconds: of all of them, estimated.
        num_samples: of one.
        instead: another option that would help, in words.
    """
    if seconds <= LONG_EVALUATIONS:
        return None
    fewer = one_digit(num_samples * QUICK_EVALUATIONS / seconds)
    minutes = in_words(seconds * fewer / num_samples)
    return (
        f"Evaluations alone take {in_words(seconds)} on this machine. metrics.num_samples={fewer} would take "
        f"{minutes} in all; {instead}."
    )


def one_digit(value: float) -> int:
    """Rounded down to one digit and zeros, but not below 100."""
    unit = 10 ** (len(str(int(value))) - 1)
    return max(int(value // unit) * unit, 100)


def clock_text(seconds: float) -> str:
    """Seconds as 1:02:03 or 2:03."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def in_words(seconds: float) -> str:
    """A duration in its two largest units, such as 40 s, 12 min, 3 h 20 min or 2 days 4 h."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days:,} days {hours} h" if hours and days < 10 else f"{days:,} days"
