"""What is said to people: by `logging` to the terminal and to a run's train.log.

Any module says something with `logging.getLogger(__name__).info(sentence)`. Here is where it goes. Libraries' own
loggers are not touched.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gan_lab.common.texts import printable
from gan_lab.process.display import display
from gan_lab.process.streams import guarded_streams

LOGGER = logging.getLogger("gan_lab")
EARLY = 1000  # records kept for a train.log that is not open yet


class Terminal(logging.Handler):
    """Plain lines on the error stream, where they do not mix with results, above what is drawn there."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's sentence."""
        display.say(self.format(record))


class RunLog(logging.FileHandler):
    """A run's train.log; a full disk, often the very thing that is told, must not end the run here."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, mode="a", encoding="utf-8", delay=True)
        self.setFormatter(Printable())

    def emit(self, record: logging.LogRecord) -> None:
        """Append the record's sentence."""
        with suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Keep silent about the disk; show mistakes of the program."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


class Early(logging.Handler):
    """Keeps what is said before the run folder is there."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record."""
        if len(self.records) < EARLY:
            self.records.append(record)


class Printable(logging.Formatter):
    """The sentence alone, with nothing in it that would steer a terminal: it may name what a stranger's file says."""

    def format(self, record: logging.LogRecord) -> str:
        """Return it."""
        return printable(super().format(record))


_terminal = Terminal()
_terminal.setFormatter(Printable())


@contextmanager
def speaking(*, quiet: bool = False, side_by_side: bool = False) -> Iterator[None]:
    """Bring to people what is said meanwhile, over streams that cannot fail; may be nested.

    Args:
        quiet: whether nothing shall be shown (ranks other than 0).
        side_by_side: whether other processes write to the same terminal, so that none may draw on it.
    """
    before = LOGGER.level, LOGGER.propagate
    with guarded_streams():
        outermost = _terminal not in LOGGER.handlers
        LOGGER.setLevel(logging.INFO)
        LOGGER.propagate = False
        shown = display.open(quiet=quiet, plain=side_by_side)
        if outermost:
            LOGGER.addHandler(_terminal)
        try:
            yield
        finally:
            LOGGER.setLevel(before[0])
            LOGGER.propagate = before[1]
            if outermost:
                LOGGER.removeHandler(_terminal)
            display.back_to(shown)


class Conversation:
    """What one run says; `keep_in` gives it a file, which also gets what was said before, and the sentence at the end.

    Args:
        quiet: whether this run says nothing on the terminal (ranks other than 0).
        side_by_side: whether other jobs write to the same terminal.
    """

    def __init__(self, *, quiet: bool = False, side_by_side: bool = False) -> None:
        self._handler: logging.Handler = Early()
        self._speaking = speaking(quiet=quiet, side_by_side=side_by_side)

    def __enter__(self) -> Conversation:
        self._speaking.__enter__()
        LOGGER.addHandler(self._handler)
        return self

    def keep_in(self, path: Path) -> None:
        """Append everything to this file, from the run's first word on."""
        early, self._handler = self._handler, RunLog(path)
        LOGGER.removeHandler(early)
        LOGGER.addHandler(self._handler)
        for record in early.records if isinstance(early, Early) else ():
            self._handler.handle(record)

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is not None:  # the terminal gets it from the command
            last = f"{str(error) or type(error).__name__}"
            self._handler.handle(
                LOGGER.makeRecord(LOGGER.name, logging.ERROR, "", 0, last, (), None)
            )
        LOGGER.removeHandler(self._handler)
        with suppress(OSError):
            self._handler.close()
        self._speaking.__exit__(kind, error, trace)
