"""SIGINT and SIGTERM: during training they wait for the round to end; outside they stop at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class Interrupted(BaseException):
    """A signal asked the process to end; not an Exception, so that nothing swallows it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = signal.Signals(number).name
        self.exit_code = EXIT_CODES[signal.Signals(number)]
        super().__init__(f"stopped by {self.name}")


class Interrupts:
    """Catches SIGINT and SIGTERM while it is entered.

    `deferred` says that a signal shall only be noted (`pending`) because a round is running: a round cut in the middle
    would leave a discriminator that has moved and a generator that has not. A second SIGINT stops at once.
    """

    def __init__(self) -> None:
        self.pending: int | None = None
        self.deferred = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        self.install()
        return self

    def install(self) -> None:
        """Set the handlers; again where a library has set its own (Lightning does at the start of fit)."""
        if threading.current_thread() is not threading.main_thread():
            return  # Python delivers signals to the main thread only
        for number in EXIT_CODES:
            before = signal.getsignal(number)
            # A shell starts background jobs with SIGINT ignored; that wish is kept.
            if before is signal.SIG_IGN:
                continue
            self._before.setdefault(number, before)
            signal.signal(number, self._handle)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.deferred and self.pending is None:
            self.pending = number
            return
        raise Interrupted(number)

    def check(self) -> None:
        """Raise Interrupted if a signal was noted."""
        if self.pending is not None:
            raise Interrupted(self.pending)
