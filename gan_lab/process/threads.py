"""How many threads a run computes with, so that runs on one machine do not strangle each other.

Threads of OpenMP wait for each other by spinning. Two runs with a thread for every processor spin against each other,
and then do a twentieth of what one does alone (docs/performance.md, Jobs side by side). So a run takes its share of
the processors, and a waiting thread spins for a moment only. What the user has set is never changed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_lab.process.cores import Mark, free, mark, physical, processors, quota
from gan_lab.process.neighbours import Sign, at_work, present

# Settings of the user that decide how many threads there are, and how long one spins.
COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
SPINNING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME")
# Turns of a waiting thread before it sleeps; libgomp, which torch brings on Linux, takes 300,000 by itself.
SPINS = "10000"
CROWDED = 0.25  # of the processors free, or less: others use the machine

_begun: list[Mark | None] = []


def before_torch(environ: MutableMapping[str, str] = os.environ) -> None:
    """Bound the spinning, which libgomp reads when torch is loaded; other kinds of OpenMP are left as they are."""
    if "torch" not in sys.modules and not any(name in environ for name in SPINNING):
        environ["GOMP_SPINCOUNT"] = SPINS


@contextmanager
def starting(folder: Path, group: str | None = None) -> Iterator[None]:
    """Be ready to share the machine, before torch is loaded.

    The sign is left some seconds before the number of threads is chosen. So runs that start together see each other.

    Args:
        folder: of the run.
        group: the sweep that it belongs to, if any.
    """
    before_torch()
    numbers = processors()
    if not _begun:
        _begun.append(mark(numbers))
    with present(Sign(str(folder.absolute()), group, numbers)):
        yield


@dataclass(frozen=True)
class Party:
    """What a run knows of itself before it looks around.

    Attributes:
        folder: of the run.
        group: the sweep that it belongs to, if any.
        at_once: jobs that its sweep runs at the same time.
        ranks: processes of this run.
    """

    folder: Path
    group: str | None = None
    at_once: int = 1
    ranks: int = 1


@dataclass(frozen=True)
class Situation:
    """What decides the number of threads.

    Attributes:
        by_itself: threads that torch would take.
        allowed: processors' worth of time that a quota or a batch system grants.
        at_once: jobs of the run's sweep, this one included.
        others: other runs at work.
        free: processors that nobody uses.
        ranks: processes of the run.
        set_by_user: the setting that decides instead, as in OMP_NUM_THREADS=1.
    """

    by_itself: int
    allowed: float | None = None
    at_once: int = 1
    others: int = 0
    free: float | None = None
    ranks: int = 1
    set_by_user: str | None = None


@dataclass(frozen=True)
class Threads:
    """The choice, as it stands in environment.json, and the sentence that says why, if there is anything to say."""

    count: int
    because: str | None = None

    def plain(self, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
        """Plain values for a record: thread counts can change the last bits of sums."""
        names = (*COUNTS, *SPINNING)
        openmp = {name: environ[name] for name in names if name in environ}
        return {"threads": self.count, "threads_because": self.because, "openmp": openmp}


def decide(found: Situation) -> Threads:
    """The number of threads of one process, and why."""
    most = found.by_itself
    if found.allowed is not None:
        most = max(1, min(most, int(found.allowed)))
    share = max(1, most // (found.at_once + found.others))
    crowded = (
        found.at_once == 1
        and found.others == 0
        and found.free is not None
        and found.free < CROWDED * most
    )
    if crowded:
        share = max(1, most // 2)
    count = max(1, share // found.ranks)
    if found.set_by_user is not None:
        return Threads(found.by_itself, f"The number of threads is as set: {found.set_by_user}.")
    return Threads(count, _why(found, count, crowded=crowded, most=most))


def _why(found: Situation, count: int, *, crowded: bool, most: int) -> str | None:
    each = "each process works" if found.ranks > 1 else "this run works"
    of_all = f"{count} of " if count < found.by_itself else ""
    works = f"{each} with {of_all}{found.by_itself} thread{'s' if found.by_itself > 1 else ''}"
    other = "OMP_NUM_THREADS sets another number"
    if found.others:
        runs = "another run is" if found.others == 1 else f"{found.others} other runs are"
        return f"Beside it {runs} at work on this machine, so {works}; {other}."
    if found.at_once > 1:
        return f"Up to {found.at_once} jobs of the sweep share the machine, so {works}; {other}."
    if crowded and count < most:
        return f"Others use nearly all of this machine's processors, so {works}; {other}."
    if found.allowed is not None and most < found.by_itself:
        return f"This process may use {found.allowed:g} processors, so {works}; {other}."
    return None


def set_by_user(
    by_itself: int, numbers: list[int], environ: Mapping[str, str] = os.environ
) -> str | None:
    """The setting that decides the number of threads: a variable, or torch.set_num_threads in this process."""
    for name in COUNTS:
        if environ.get(name):
            return f"{name}={environ[name]}"
    # Torch takes a thread for each processor, or for each core where cores have two.
    if by_itself not in (len(numbers), physical(numbers)):
        return f"torch.set_num_threads({by_itself})"
    return None


def allowed(environ: Mapping[str, str] = os.environ) -> float | None:
    """Processors' worth of time that the control group and the batch system grant; None without a limit."""
    slurm = environ.get("SLURM_CPUS_PER_TASK", "")
    limits = [quota(), float(slurm) if slurm.isdecimal() and int(slurm) else None]
    return min((one for one in limits if one is not None), default=None)


def _meet(found: Sign, own: Sign, party: Party) -> bool:
    """Whether another run counts beside this one: jobs of one sweep are counted by their launcher, where it tells."""
    if party.at_once > 1 and found.group and found.group == own.group:
        return False
    return not found.processors or bool(set(found.processors) & set(own.processors))


def _look(own: Sign, party: Party, before: int) -> Situation:
    """What is the case now; `before` is torch's number of threads."""
    numbers = list(own.processors)
    user = set_by_user(before, numbers)
    if user and party.at_once > 1 and before == max(1, len(numbers) // party.at_once):
        # joblib gives each job its share by OMP_NUM_THREADS.
        return Situation(by_itself=len(numbers), at_once=party.at_once)
    return Situation(
        by_itself=before,
        allowed=allowed(),
        at_once=party.at_once,
        others=sum(_meet(one, own, party) for one in at_work(own)),
        free=free(_begun[0] if _begun else None, numbers),
        ranks=party.ranks,
        set_by_user=user,
    )


@contextmanager
def sharing(party: Party) -> Iterator[Threads]:
    """Compute with this run's share of the threads meanwhile; torch has its own number again afterwards."""
    import torch

    numbers, before = processors(), torch.get_num_threads()
    own = Sign(str(party.folder.absolute()), party.group, numbers)
    with present(own):
        threads = decide(_look(own, party, before))
        with _applied(threads, before, party):
            yield threads


@contextmanager
def _applied(threads: Threads, before: int, party: Party) -> Iterator[None]:
    """Set torch's number; ranks, which the first one starts, get theirs by their environment."""
    import torch

    name = COUNTS[0]
    hand_on = party.ranks > 1 and name not in os.environ
    if threads.count != before:
        torch.set_num_threads(threads.count)
    if hand_on:
        os.environ[name] = str(threads.count)
    try:
        yield
    finally:
        if hand_on:
            os.environ.pop(name, None)
        if threads.count != before:
            torch.set_num_threads(before)
