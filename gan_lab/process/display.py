"""What is shown while something takes its time: a block drawn anew on a terminal, a plain line now and then elsewhere.

A thread reads numbers of the host four times a second, so a bar moves however long one step of the work takes.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from gan_lab.process.interrupts import before_the_end
from gan_lab.process.layout import Line
from gan_lab.process.screen import Screen, drawable

REFRESH_SECONDS = 0.25
TICK_SECONDS = 10.0  # between two plain lines of one block


class Block(Protocol):
    """Something that goes on; read by another thread than the one that changes it."""

    def lines(self, columns: int, *, top: bool) -> list[Line]:
        """At most so many columns wide; no lines while there is nothing to show.

        Args:
            columns: of the terminal, at least 1.
            top: whether nothing else goes on inside of it.
        """

    def tick(self) -> str | None:
        """One plain line; None while there is nothing to say."""


@dataclass(frozen=True)
class Manner:
    """How things are shown.

    Attributes:
        listened: whether anybody wants to know.
        quiet: whether nothing is shown all the same (ranks other than 0).
        plain: whether nothing is drawn, even on a terminal, since other processes write to it.
    """

    listened: bool = False
    quiet: bool = False
    plain: bool = False

    @property
    def silent(self) -> bool:
        """Whether nothing is shown."""
        return self.quiet or not self.listened

    @property
    def draws(self) -> bool:
        """Whether a block can be drawn; elsewhere plain lines are written."""
        return not self.plain and drawable()


class Display:
    """The blocks of this process, the innermost last, and who draws them.

    Sentences pass through here too, since on a terminal they must appear above the block.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.manner = Manner()
        self.fault: Exception | None = None
        self._blocks: list[Block] = []
        self._told: dict[Block, float] = {}  # when each block had its last plain line
        self._screen: Screen | None = None
        self._painter: threading.Thread | None = None

    def open(self, *, quiet: bool = False, plain: bool = False) -> Manner:
        """Show things from now on; returns the manner before, for `back_to`."""
        with self.lock:
            before = self.manner
            if not before.listened:
                self.fault = None
            self.manner = Manner(
                listened=True, quiet=quiet or before.quiet, plain=plain or before.plain
            )
            return before

    def back_to(self, before: Manner) -> None:
        """Show things in this manner again; where that is none, nothing remains."""
        with self.lock:
            self.manner = before
            if not before.listened:
                self.close()

    def say(self, text: str) -> None:
        """Write a sentence."""
        with self.lock:
            if self.manner.quiet:
                return
            if self._screen is not None:
                self._screen.say(text)
            else:
                _write(text)

    def show(self, block: Block, *, at_once: bool = False) -> None:
        """Show this block from now on, inside of those that are shown already.

        Args:
            block: what goes on.
            at_once: draw it now; otherwise the thread does in a moment.
        """
        with self.lock:
            if self.manner.silent or self.fault:
                return
            self._blocks.append(block)
            if at_once:
                self._paint_safely()
            if self._painter is None:
                self._painter = threading.Thread(target=self._paint_on, name="display", daemon=True)
                self._painter.start()

    def end(self, block: Block) -> None:
        """Take the block away; asked twice, it does nothing."""
        with self.lock:
            if block not in self._blocks:
                return
            self._blocks.remove(block)
            self._told.pop(block, None)
            if self._screen is not None:
                self._paint_safely()

    def tell(self, block: Block) -> None:
        """Write the block's last plain line, where nothing is drawn."""
        with self.lock:
            if self.manner.silent or self.manner.draws:
                return
            if text := block.tick():
                _write(text)

    def close(self) -> None:
        """Show nothing any more, such as before the process ends."""
        with self.lock:
            self._blocks.clear()
            self._told.clear()
            self._painter = None  # it sees that, and ends
            self._leave_screen()

    def leave(self) -> None:
        """Take everything away before the process ends in a signal's handler."""
        if self.lock.acquire(timeout=0.5):
            self.close()
            self.lock.release()

    def _leave_screen(self) -> None:
        if self._screen is not None:
            screen, self._screen = self._screen, None
            screen.close()

    def _paint_on(self) -> None:
        while True:
            time.sleep(REFRESH_SECONDS)
            with self.lock:
                if self._painter is not threading.current_thread():
                    return
                if not self._blocks or self.manner.silent or self.fault:
                    self._painter = None
                    return
                self._paint_safely()

    def _paint_safely(self) -> None:
        """A mistake of a block costs the display, never the run."""
        try:
            self._paint()
        except Exception as error:
            self.fault = error
            with suppress(Exception):
                self._leave_screen()
            _write(f"Progress cannot be shown any more ({type(error).__name__}: {error}).")

    def _paint(self) -> None:
        if self.manner.silent:
            return
        if not self.manner.draws:
            if self._blocks:
                self._tick(self._blocks[-1])
            return
        if self._screen is None:
            self._screen = Screen(self.lock)
        columns = self._screen.columns()
        lines: list[Line] = []
        for block in self._blocks:
            lines += block.lines(columns, top=block is self._blocks[-1])
        self._screen.draw(lines)

    def _tick(self, block: Block) -> None:
        """Write the block's plain line where its last one is long ago."""
        now = time.monotonic()
        if now - self._told.get(block, -TICK_SECONDS) >= TICK_SECONDS and (text := block.tick()):
            self._told[block] = now
            _write(text)


def _write(text: str) -> None:
    with suppress(OSError, ValueError):  # a stream that is not ours may be lost too
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


display = Display()
before_the_end.append(display.leave)
