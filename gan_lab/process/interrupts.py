"""Signals that end a run: during training they wait for the round to end, outside they stop at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, NoReturn

# A hang-up (a terminal that was closed), Ctrl-C, a polite kill, and what schedulers send before the time is up.
# The codes are those that a shell shows for a process that such a signal has killed.
EXIT_CODES = {
    getattr(signal, name): 128 + getattr(signal, name)
    for name in ("SIGHUP", "SIGINT", "SIGTERM", "SIGUSR1")
    if hasattr(signal, name)  # Windows knows two of them
}


# The signals that have ended a run of this process.
_ending: list[int] = []

# What is done before a process ends in the handler of a signal: a bar that is drawn must go.
before_the_end: list[Callable[[], None]] = []


class Interrupted(BaseException):
    """A signal asked the process to end; not an Exception, so that nothing swallows it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = signal.Signals(number).name
        self.exit_code = EXIT_CODES[signal.Signals(number)]
        super().__init__(f"Stopped by {self.name}.")


class Interrupts:
    """Catches the signals while it is entered.

    `deferred` says that a signal shall only be noted (`pending`) because a round is running: a round cut in the middle
    would leave a discriminator that has moved and a generator that has not. Signals come in twos and threes (of the
    terminal, the shell and the scheduler), so a further one changes nothing; a second SIGINT, of a person, stops at
    once.
    """

    def __init__(self) -> None:
        self.pending: int | None = None
        self.deferred = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        self.install()
        return self

    def install(self) -> None:
        """Set the handlers."""
        if threading.current_thread() is not threading.main_thread():
            return  # Python delivers signals to the main thread only
        for number in EXIT_CODES:
            before = signal.getsignal(number)
            # A shell starts background jobs with SIGINT ignored, nohup ignores SIGHUP; that wish is kept.
            if before is not signal.SIG_IGN:
                self._before.setdefault(number, before)
                outer = getattr(before, "__self__", None)
                if isinstance(outer, Interrupts) and self.pending is None:
                    # Python drops what is raised in callbacks of its own, as of imports: what came there is not lost.
                    self.pending = outer.pending
                signal.signal(number, self._handle)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            outer = getattr(handler, "__self__", None)
            if isinstance(outer, Interrupts) and outer.pending is None:
                outer.pending = self.pending  # a further signal changes nothing there either
            signal.signal(number, handler)
        self._before = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        first = self.pending is None
        if first:
            self.pending = number
            if _torch_is_being_imported():
                _end_now(number)
            _ending.append(number)
        if (first and not self.deferred) or (number == signal.SIGINT and not first):
            raise Interrupted(number)

    def check(self) -> None:
        """Raise Interrupted if a signal was noted."""
        if self.pending is not None:
            raise Interrupted(self.pending)


def end_at_signals() -> None:
    """Let signals end the process with a sentence while its libraries are imported; nothing can be lost yet."""

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        if not _ending:  # by an earlier signal, whose exit code stands
            _end_now(number)

    for number in EXIT_CODES:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)


def _end_now(number: int) -> NoReturn:
    """End the process where nothing can be lost."""
    for act in before_the_end:
        with suppress(Exception):
            act()
    with suppress(OSError):  # nobody may be there to read it
        os.write(2, f"{Interrupted(number)}\n".encode())
    os._exit(EXIT_CODES[signal.Signals(number)])


def _torch_is_being_imported() -> bool:
    """Whether an exception would pass through C++ that is being set up, which ends the process by abort()."""
    spec = getattr(sys.modules.get("torch"), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))
