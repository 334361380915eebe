"""How many processors this process may use, and how many of them others leave free.

Python knows the affinity only; a container's quota is in the files of its control group, and each group above it may
have a tighter one.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

CGROUPS = Path("/sys/fs/cgroup")
STALE = 60.0  # seconds after which a mark tells nothing of now
SHORT = 0.2  # seconds that are watched where there is no useful mark


def processors() -> list[int]:
    """Numbers of the processors that this process may run on (`taskset`, a batch system, a container)."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def physical(numbers: list[int], root: Path = Path("/sys/devices/system/cpu")) -> int:
    """How many cores these processors are: two threads of one core count once, where the system tells."""
    siblings = set()
    for number in numbers:
        try:
            siblings.add((root / f"cpu{number}/topology/thread_siblings_list").read_text())
        except OSError:
            siblings.add(str(number))
    return len(siblings)


def quota(root: Path = CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> float | None:
    """Processors' worth of time that control groups grant, the tightest of all nested ones; None without a limit.

    Args:
        root: where control groups are mounted.
        membership: the file that names this process's groups.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return None
    found: list[float] = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if not controllers:
            found += _limits((root, root / "unified"), group, _limit_of_version_2)
        elif "cpu" in controllers.split(","):
            found += _limits((root / controllers, root / "cpu"), group, _limit_of_version_1)
    return min(found, default=None)


def _limits(
    mounts: tuple[Path, ...], group: str, limit: Callable[[Path], float | None]
) -> Iterator[float]:
    """Limits of a group and of all above it; inside a container the mount itself may be the group."""
    path = PurePosixPath(group.lstrip("/"))
    for folder in (mount / part for mount in mounts for part in (path, *path.parents)):
        with suppress(OSError, ValueError):
            if (value := limit(folder)) is not None:
                yield value


def _limit_of_version_2(folder: Path) -> float | None:
    allowed, period = (folder / "cpu.max").read_text().split()
    return None if allowed == "max" else int(allowed) / int(period)


def _limit_of_version_1(folder: Path) -> float | None:
    allowed = int((folder / "cpu.cfs_quota_us").read_text())
    period = int((folder / "cpu.cfs_period_us").read_text())
    return allowed / period if allowed > 0 and period > 0 else None


@dataclass(frozen=True)
class Mark:
    """A moment: how long the processors had been idle until then, and what this process had used of them."""

    time: float
    idle: float
    own: float


def mark(numbers: list[int], stat: Path = Path("/proc/stat")) -> Mark | None:
    """The moment of now; None where the system does not tell."""
    try:
        tick = os.sysconf("SC_CLK_TCK")
        rows = [line.split() for line in stat.read_text().splitlines() if line.startswith("cpu")]
    except (AttributeError, OSError, ValueError):
        return None
    idle = {row[0]: (int(row[4]) + int(row[5])) / tick for row in rows if len(row) > 5}
    own = os.times()
    return Mark(
        time.monotonic(), sum(idle.get(f"cpu{n}", 0.0) for n in numbers), own.user + own.system
    )


def free(since: Mark | None, numbers: list[int]) -> float:
    """How many of these processors others have left free since a mark; all where the system does not tell.

    Args:
        since: the earlier moment; an old one is replaced by a short look.
        numbers: of the processors.
    """
    if since is None or time.monotonic() - since.time > STALE:
        since = mark(numbers)
        time.sleep(SHORT)
    now = mark(numbers)
    if since is None or now is None:
        return float(len(numbers))
    passed = max(now.time - since.time, 1e-9)
    left = (now.idle - since.idle + now.own - since.own) / passed
    return 0.0 if math.isnan(left) else min(max(left, 0.0), float(len(numbers)))
