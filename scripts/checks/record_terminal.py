"""Records what a person sees on a terminal: runs a command in a pseudo-terminal and shows its screens as text.

python scripts/checks/record_terminal.py --columns 60 80 120 -- -m gan_lab.train debug=tiny logger=none
python scripts/checks/record_terminal.py --columns 0 --every 5 -- -m gan_lab.train logger=none max_time=1
python scripts/checks/record_terminal.py --columns 120 --resize 3:80 6:60 -- -m gan_lab.train logger=none max_time=0.2

0 columns stand for no terminal: a pipe. What the process writes goes, with the time at which it came, through a
terminal emulator (pyte), whose screens are printed: all of them that differ, at most one each `--every` seconds.
Needs Linux or macOS.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyte

ROWS = 24
MOMENT = 0.03  # seconds: one write may come in pieces
SCROLLED = 5000  # lines kept above the screen


@dataclass
class Recording:
    """What a process wrote to a terminal.

    Attributes:
        columns: of the terminal at the start; 0 for a pipe.
        chunks: bytes, each with the seconds since the start at which it came.
        resizes: seconds and columns from then on.
        code: the exit code.
    """

    columns: int
    chunks: list[tuple[float, bytes]] = field(default_factory=list)
    resizes: list[tuple[float, int]] = field(default_factory=list)
    code: int = -1

    @property
    def text(self) -> str:
        """Everything that was written, as it was written."""
        return b"".join(data for _, data in self.chunks).decode(errors="replace")

    def screens(self) -> Iterator[tuple[float, list[str]]]:
        """Each time that nothing more came for a moment: the seconds, and all rows, also those scrolled away."""
        screen = pyte.HistoryScreen(self.columns or 200, ROWS, history=SCROLLED, ratio=0.5)
        screen.set_mode(
            pyte.modes.LNM
        )  # a terminal's driver turns each newline into two characters
        stream = pyte.ByteStream(screen)
        resizes = list(self.resizes)
        ends = [seconds for seconds, _ in self.chunks[1:]] + [float("inf")]
        for (seconds, data), following in zip(self.chunks, ends, strict=True):
            while resizes and resizes[0][0] <= seconds:
                screen.resize(ROWS, resizes.pop(0)[1])
            stream.feed(data)
            if following - seconds > MOMENT:
                yield seconds, rows_of(screen)

    def last(self) -> list[str]:
        """The rows at the end."""
        *_, (_, rows) = self.screens()
        return rows


def rows_of(screen: pyte.HistoryScreen) -> list[str]:
    """Rows that have left the screen above, and those on it, without blanks at their ends."""
    scrolled = [
        "".join(line[x].data for x in range(screen.columns)).rstrip() for line in screen.history.top
    ]
    rows = [*scrolled, *(row.rstrip() for row in screen.display)]
    while rows and not rows[-1]:
        rows.pop()
    return rows


def record(
    command: Sequence[str],
    *,
    columns: int,
    resizes: Sequence[tuple[float, int]] = (),
    environment: Mapping[str, str] | None = None,
    interrupt: Callable[[str], bool] = lambda _: False,
    limit: float = 300.0,
) -> Recording:
    """Run a command to its end, and keep what it writes.

    Args:
        command: with its arguments.
        columns: of the terminal, or 0 for a pipe.
        resizes: seconds after the start, and the columns that the terminal then has.
        environment: variables, added to those of this process.
        interrupt: given what was written so far, whether Ctrl-C is to be pressed, once; on a terminal.
        limit: seconds after which the process is killed.
    """
    recording = Recording(columns, resizes=sorted(resizes))
    given = {**os.environ, "TERM": "xterm-256color", **(environment or {})}
    given.pop("CI", None) if environment is None or "CI" not in environment else None
    mine, theirs = pty.openpty() if columns else os.pipe()
    if columns:
        set_columns(mine, columns)

    def own_terminal() -> None:
        for number in (signal.SIGINT, signal.SIGHUP):  # a job in the background has them ignored
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        if columns:
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    streams = {
        "stdin": theirs if columns else subprocess.DEVNULL,
        "stdout": theirs,
        "stderr": theirs,
    }
    process = subprocess.Popen(command, env=given, preexec_fn=own_terminal, **streams)
    os.close(theirs)
    try:
        _listen(recording, mine, interrupt, limit)
        recording.code = process.wait(timeout=30)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(mine)
    return recording


def _listen(
    recording: Recording, mine: int, interrupt: Callable[[str], bool], limit: float
) -> None:
    """Read until the other side has gone or the time is up; resize and press Ctrl-C when that is due."""
    begun, pending, pressed = time.monotonic(), list(recording.resizes), False
    while time.monotonic() - begun < limit:
        while pending and time.monotonic() - begun >= pending[0][0]:
            set_columns(mine, pending.pop(0)[1])
        ready, _, _ = select.select([mine], [], [], 0.02)
        if not ready:
            continue
        try:
            data = os.read(mine, 65536)
        except OSError:  # how a pseudo-terminal tells that the other side has gone
            return
        if not data:
            return
        recording.chunks.append((time.monotonic() - begun, data))
        if not pressed and interrupt(recording.text):
            pressed = True
            os.write(mine, b"\x03")


def set_columns(terminal: int, columns: int) -> None:
    """Make the terminal so wide; its processes get SIGWINCH."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))


def main() -> None:
    """Record and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--columns", type=int, nargs="+", default=[60, 80, 120, 0])
    parser.add_argument("--resize", nargs="+", default=[], metavar="SECONDS:COLUMNS")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between printed screens")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="after --: arguments of python")
    given = parser.parse_args()
    command = [part for index, part in enumerate(given.command) if index or part != "--"]
    resizes = [tuple(map(float, one.split(":"))) for one in given.resize]
    for columns in given.columns:
        recording = record(
            [sys.executable, *command], columns=columns, resizes=[(s, int(c)) for s, c in resizes]
        )
        print(f"===== {columns or 'no terminal'} columns, exit code {recording.code}")
        shown, before = -given.every, None
        screens = list(recording.screens())
        for seconds, rows in screens:
            final = seconds == screens[-1][0]
            if rows != before and (seconds - shown >= given.every or final):
                print(f"----- {seconds:6.2f} s " + "-" * max((columns or 80) - 15, 0))
                print("\n".join(rows[-ROWS:] if columns else rows))
                shown, before = seconds, rows


if __name__ == "__main__":
    main()
