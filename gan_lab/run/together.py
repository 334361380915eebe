"""The ranks of one run: which this process is, and the processes that the first one starts."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from gan_lab.common.errors import RankError
from gan_lab.process.interrupts import Interrupts
from gan_lab.process.ranks import Ranks
from gan_lab.process.workers import Parent, Workers

MODULE = "gan_lab.run.worker"


@dataclass(frozen=True)
class Following:
    """What a rank that another has started knows beside its task.

    Attributes:
        parent: the process that started it.
        checkpoint: what the run goes on from, if anything.
    """

    parent: Parent
    checkpoint: str | None


@dataclass(frozen=True)
class Meeting:
    """This process' place, and how it waits for the others before they connect."""

    place: Ranks
    wait: Callable[[], None] = lambda: None


@contextmanager
def together(
    place: Ranks,
    devices: int,
    *,
    task: Mapping[str, Any],
    following: Following | None,
    interrupts: Interrupts,
) -> Iterator[Meeting]:
    """Have all ranks of this machine meanwhile, however they are started.

    Args:
        place: of this process.
        devices: processes on this machine.
        task: JSON for the ranks that this process starts.
        following: set in a process that another rank has started.
        interrupts: of this process.

    Raises:
        RankError: where another rank has ended, with its reason if that is known.
        Interrupted: where it was ended by a signal.
    """
    if following is not None:
        yield Meeting(place, following.parent.meet)
        return
    if place.size == 1 or not place.own:
        yield Meeting(place)
        return
    place = place if place.port else replace(place, port=free_port())
    with Workers(MODULE, interrupts.check) as workers:
        workers.start(place, devices, task)
        try:
            yield Meeting(place, workers.meet)
        except RankError:
            workers.explain()
            raise


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
