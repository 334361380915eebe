"""The way to people that never fails: a terminal may be lost, a pipe closed or full, and the run goes on."""

from __future__ import annotations

import os
import select
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

PATIENCE = 2.0  # seconds that one write waits for a reader that has fallen asleep


class Guarded:
    """A standard stream whose `write` raises no error of the system, and does not wait for ever.

    A terminal that was closed gives EIO, a pipe without a reader EPIPE: from then on the stream leads nowhere, also
    for child processes and libraries. A pipe that nobody reads fills up, as does the terminal of a frozen connection:
    what does not fit is dropped. Everything else is the stream's own.

    Args:
        stream: standard output or error of this process.
        waits: whether a full pipe is waited for: true of results, which a pager may read slowly.
    """

    def __init__(self, stream: TextIO, *, waits: bool) -> None:
        self.stream = stream
        self.waits = waits
        self.above: Callable[[str], None] | None = (
            None  # takes what is written while a block is drawn
        )
        self._full = False
        self._way = None if waits else own_way(stream.fileno())

    def __getattr__(self, name: str) -> Any:
        """Whatever else the stream can do."""
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write what can be written, above a block that is drawn; returns the length of the whole text."""
        if self.above is None:
            return self.put(text)
        self.above(text)
        return len(text)

    def put(self, text: str) -> int:
        """Write what can be written, where the cursor is."""
        try:
            if self._way is None:
                self.stream.write(text)
            else:
                self._send(self._way, text.encode(self.stream.encoding or "utf-8", "replace"))
        except BlockingIOError:  # somebody else has made it one that does not wait
            pass
        except (OSError, ValueError):  # a closed file is a ValueError
            self._lose()
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each of the lines."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Bring on its way what was written."""
        try:
            self.stream.flush()
        except (OSError, ValueError):
            self._lose()

    def _send(self, way: int, data: bytes) -> None:
        """Write to a descriptor that never blocks; a full one is waited for once, until it has room again."""
        until = time.monotonic() + (0.0 if self._full else PATIENCE)
        while data:
            try:
                data = data[os.write(way, data) :]
                self._full = False
            except BlockingIOError:
                left = until - time.monotonic()
                if left <= 0:
                    self._full = True
                    return
                select.select([], [way], [], left)

    def _lose(self) -> None:
        """Let the stream lead nowhere, unless only its disk is full."""
        with suppress(OSError, ValueError):
            number = self.stream.fileno()
            if stat.S_ISREG(os.fstat(number).st_mode):
                return
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)
        self.close_way()

    def close_way(self) -> None:
        """Give the own descriptor back."""
        if self._way is not None:
            os.close(self._way)
            self._way = None


def own_way(number: int) -> int | None:
    """Open a pipe or terminal once more, so that not to wait concerns this process alone.

    Whether a descriptor waits is shared with the shell and every other process that has it. None for files, which
    never wait, and where the system cannot open it again.
    """
    if not sys.platform.startswith("linux"):  # elsewhere the descriptor is shared all the same
        return None
    try:
        kind = os.fstat(number).st_mode
        if not (stat.S_ISFIFO(kind) or os.isatty(number)):
            return None
        return os.open(f"/proc/self/fd/{number}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return None


def fill_closed_descriptors() -> None:
    """Let descriptors 0 to 2 lead nowhere where they are closed: a file opened later would be taken for one."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Guard standard output and error meanwhile; streams that others have put there (notebooks, tests) are theirs."""
    fill_closed_descriptors()
    before = sys.stdout, sys.stderr
    mine: list[Guarded] = []
    for name, waits in (("stdout", True), ("stderr", False)):
        stream = getattr(sys, name)
        if stream is None:  # started with a closed one (2>&-)
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 - for the rest of the process
        elif stream is getattr(sys, f"__{name}__"):
            mine.append(Guarded(stream, waits=waits))
            setattr(sys, name, mine[-1])
    try:
        yield
    finally:
        for guarded in mine:
            guarded.flush()
            guarded.close_way()
        sys.stdout, sys.stderr = before
