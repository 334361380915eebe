"""A terminal that shows sentences and, below them, one block that is drawn anew; rich moves the cursor."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from threading import RLock
from typing import Any

from gan_lab.process.layout import ASCII, Line
from gan_lab.process.streams import Guarded

# A block is no wider on any terminal, so that one made narrower, down to 60 columns, has nothing to wrap or to cut.
WIDEST = 59


def drawable() -> bool:
    """Whether the error stream is a terminal on which lines can be drawn anew, and a person may be watching."""
    if os.environ.get("TERM", "").lower() in ("dumb", "unknown") or os.environ.get("CI"):
        return False
    try:
        return sys.stderr.isatty()
    except (AttributeError, OSError, ValueError):
        return False


class Screen:
    """The terminal of the error stream.

    Args:
        lock: held by whoever calls; rich's own locks would let two threads draw from one cursor position.
    """

    def __init__(self, lock: RLock) -> None:
        from rich.console import Console
        from rich.live import Live

        class Visible(Console):
            """A console that never hides the cursor: a process that is killed would leave it hidden."""

            def show_cursor(self, show: bool = True) -> bool:
                """Leave it as it is."""
                del show
                return False

        stream = sys.stderr
        self.lock = lock
        self.lines: Sequence[Line] = ()
        self.way = _Way(stream)
        self.console = Visible(
            file=self.way,  # type: ignore[arg-type]
            force_terminal=True,
            force_interactive=True,
            force_jupyter=False,
            width=80,
            height=25,
        )
        self.live = Live(
            console=self.console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
            get_renderable=self._rendered,
        )
        self.ascii = not str(stream.encoding or "").lower().startswith("utf")
        self._partial = ""
        self._guarded: list[Guarded] = []
        self.live.start()

    @property
    def shows(self) -> bool:
        """Whether a block is on the screen."""
        return bool(self.live._live_render.last_render_height)

    def columns(self) -> int:
        """Columns that a block may fill; the last one of a terminal stays free, where some of them wrap."""
        columns, rows = self._size()
        if self.shows and columns - 1 < self._drawn():
            # What is drawn may be wrapped now or be cut: nobody knows how many rows it takes, so it stays.
            self.way.write("\n")
            self.live._live_render._shape = None
        self.console.size = (columns, rows)  # type: ignore[assignment]
        return max(min(columns - 1, WIDEST), 1)

    def draw(self, lines: Sequence[Line]) -> None:
        """Show this block; no lines take it away."""
        self.lines = lines
        if lines or self.shows:
            self._intercept(bool(lines))
            self.live.refresh()

    def say(self, text: str) -> None:
        """Write a sentence above the block, however long it is."""
        self.columns()
        self.console.out(text, highlight=False)

    def close(self) -> None:
        """Take the block away."""
        self._intercept(False)
        self.lines = ()
        self.live.stop()

    def _size(self) -> tuple[int, int]:
        with suppress(OSError, ValueError, AttributeError):
            columns, rows = os.get_terminal_size(self.way.stream.fileno())
            return columns or 80, rows or 25
        return 80, 25

    def _drawn(self) -> int:
        """Columns of the block on the screen."""
        shape = self.live._live_render._shape
        return shape[0] if shape else 0

    def _rendered(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        room = self.console.width - 1
        texts = []
        for line in self.lines:
            parts = [(t.translate(ASCII), style) for t, style in line] if self.ascii else line
            text = Text.assemble(*parts, no_wrap=True, overflow="crop")
            text.truncate(room)
            texts.append(text)
        return Group(*texts)

    def _intercept(self, yes: bool) -> None:
        """While a block is drawn, what others write to this terminal goes above it, by whole lines."""
        if yes and not self._guarded:
            for stream in (sys.stdout, sys.stderr):
                if isinstance(stream, Guarded) and (stream is sys.stderr or _is_terminal(stream)):
                    stream.above = self._foreign
                    self._guarded.append(stream)
        elif not yes and self._guarded:
            for stream in self._guarded:
                stream.above = None
            self._guarded = []
            if self._partial:
                self.console.out(self._partial, highlight=False)
                self._partial = ""

    def _foreign(self, text: str) -> None:
        with self.lock:
            whole, newline, rest = (self._partial + text).rpartition("\n")
            self._partial = rest.rpartition("\r")[2]  # others' bars write one line again and again
            if newline:
                self.say(whole)


class _Way:
    """What rich writes to: the stream itself, past what is done with others' words."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.encoding = (
            "utf-8"  # rich shall leave letters as they are; the stream replaces what it lacks
        )
        self._write = stream.put if isinstance(stream, Guarded) else stream.write

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):  # a stream that is not ours may be lost too
            self._write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self.stream.flush()

    def fileno(self) -> int:
        number: int = self.stream.fileno()
        return number

    def isatty(self) -> bool:
        return True


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (OSError, ValueError):
        return False
