"""What a run says to people: lines on the terminal, and in its train.log."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path


class Console:
    """Writes a line to stderr and to the run's log.

    Args:
        log: the log file; None before a run folder exists.
        quiet: whether only the log gets the line (ranks other than 0).
    """

    def __init__(self, log: Path | None = None, *, quiet: bool = False) -> None:
        self.log = log
        self.quiet = quiet

    def __call__(self, text: str) -> None:
        """Say one line."""
        if not self.quiet:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()
        if self.log is not None and not self.quiet:
            # A full disk, often the very thing that is told, must not end the run here.
            with suppress(OSError), self.log.open("a") as file:
                file.write(text + "\n")
