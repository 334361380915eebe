"""Errors that are the user's to mend: one sentence that says what, where and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

MANY_LETTERS = 150  # of choices in one sentence


class GanLabError(Exception):
    """A run cannot go on; the message is one sentence for the user, shown without a stack trace."""

    exit_code = 1


class ConfigError(GanLabError):
    """An option is unknown, of the wrong type, out of range or does not fit another."""

    exit_code = 2


class DataError(GanLabError):
    """A data set is missing, damaged, empty or too small."""


class WeightsError(GanLabError):
    """The weights of a feature extractor are missing, damaged or unusable."""


class RankError(GanLabError):
    """Another process of the run has ended, so this one cannot go on."""


class CheckpointError(GanLabError):
    """A checkpoint or run folder is missing, damaged or of another run."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return '; did you mean X?' for the closest known name, or '' where none is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def one_of_these(choices: Sequence[str]) -> str:
    """'one of a, b, c'; of very many the first, and how to see the others."""
    told = [name for at, name in enumerate(choices) if sum(map(len, choices[:at])) < MANY_LETTERS]
    left = len(choices) - len(told)
    more = f" and {left} more, which gan_lab.train --list shows" if left else ""
    return f"one of {', '.join(told)}{more}"


def first_line(error: BaseException) -> str:
    """The error's first line, or its type where the message is empty."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(". ")[:200] if lines else type(error).__name__
