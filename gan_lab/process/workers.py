"""The other ranks of a run on this machine: processes of our own, which wait for the first and end with it.

They are told what to do, and do not run the caller's program again: so a script, `python -c`, standard input and a
notebook can all start them. Both sides wait in Python until all are there, where a signal or a death is noticed;
torch's own meeting would wait half an hour.

What is said: the first writes a task in JSON, then GO; a worker writes READY and, if it fails, its sentence in JSON.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gan_lab.common.errors import RankError
from gan_lab.process.interrupts import EXIT_CODES, Interrupted
from gan_lab.process.ranks import WORKER, Ranks, said_to_worker

READY, GO = "ready", "go"
LISTEN_SECONDS = 0.1
GRACE_SECONDS = 20.0


class Worker:
    """One process, and what it has said so far.

    Args:
        place: its rank.
        module: what `python -m` runs, a module that uses `Parent`.
        task: JSON for it.
    """

    def __init__(self, place: Ranks, module: str, task: Mapping[str, Any]) -> None:
        self.rank = place.rank
        self.ready = threading.Event()
        self.reason = ""
        environment = os.environ | {WORKER: said_to_worker(place)}
        # It finds the same modules, also those beside a script.
        environment["PYTHONPATH"] = os.pathsep.join(
            folder or str(Path.cwd()) for folder in sys.path
        )
        self.process = subprocess.Popen(
            [sys.executable, "-m", module],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        )  # fmt: skip
        self.say(json.dumps(task))
        threading.Thread(target=self._listen, daemon=True).start()

    def say(self, line: str) -> None:
        """Send it a line; one that has ended hears nothing."""
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == READY:
                self.ready.set()
            elif line.startswith('{"reason":'):
                self.reason = json.loads(line)["reason"]
        self.process.wait()

    def check(self) -> None:
        """Raise if it has ended otherwise than well.

        Raises:
            Interrupted: where a signal that ends runs was sent to it.
            RankError: one sentence, with its own reason if it had one.
        """
        code = self.process.poll()
        if not code:
            return
        stops = {ends: number for number, ends in EXIT_CODES.items()}
        stops |= {-number: number for number in EXIT_CODES}
        if code in stops:
            raise Interrupted(stops[code])
        if self.reason:
            raise RankError(f"Rank {self.rank} failed: {self.reason}")
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        raise RankError(
            f"Rank {self.rank} {how}, so the run cannot go on; resume=auto goes on from the last checkpoint."
        )

    def end(self, seconds: float) -> None:
        """Wait for its end for so long, then kill it."""
        with suppress(OSError):
            assert self.process.stdin is not None
            self.process.stdin.close()
        try:
            self.process.wait(max(seconds, 0.1))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Workers:
    """The processes that the first rank of a machine has started; on leaving, they have ended.

    Args:
        module: what each of them runs.
        interrupted: raises where this process is asked to end.
    """

    def __init__(self, module: str, interrupted: Callable[[], None]) -> None:
        self.module = module
        self.interrupted = interrupted
        self.started: list[Worker] = []

    def start(self, mine: Ranks, count: int, task: Mapping[str, Any]) -> None:
        """Start `count` - 1 processes, the ranks behind this one on this machine."""
        for local in range(1, count):
            self.started.append(Worker(mine.worker(local), self.module, task))

    def meet(self) -> None:
        """Wait until all are ready, then let all go on together.

        Raises:
            Interrupted: after a signal.
            RankError: where one has failed.
        """
        for worker in self.started:
            while not worker.ready.wait(LISTEN_SECONDS):
                self.interrupted()
                self.check()
        for worker in self.started:
            worker.say(GO)

    def check(self) -> None:
        """Raise where one has ended otherwise than well."""
        for worker in self.started:
            worker.check()

    def explain(self) -> None:
        """After a failed exchange: raise the reason of the rank that has ended, for which this waits a moment."""
        until = time.monotonic() + 5.0
        while self.started and time.monotonic() < until:
            self.check()
            time.sleep(LISTEN_SECONDS)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        until = time.monotonic() + (GRACE_SECONDS if error is None else 5.0)
        for worker in self.started:
            worker.end(until - time.monotonic())
        self.started = []


class Parent:
    """What a worker sees of the process that started it, over its standard input and output."""

    def __init__(self) -> None:
        # Whatever prints in a worker must not reach the other side's ears, nor the terminal.
        self.ears, self.mouth = sys.stdin, os.fdopen(os.dup(1), "w")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def task(self) -> Any:
        """What to do."""
        return json.loads(self.ears.readline())

    def meet(self) -> None:
        """Say that this rank is ready, and wait for the word; where none comes, the other side has ended.

        Raises:
            RankError: if it has.
        """
        self._say(READY)
        if self.ears.readline().strip() != GO:
            raise RankError("Rank 0 has ended before the ranks met.")

    def fail(self, reason: str) -> None:
        """Leave the sentence to the other side, which shows it."""
        self._say(json.dumps({"reason": reason}))

    def _say(self, line: str) -> None:
        with suppress(OSError):
            self.mouth.write(line + "\n")
            self.mouth.flush()
