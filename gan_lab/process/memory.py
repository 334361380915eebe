"""How much memory this process may use at most, and what is said when it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path, PurePosixPath

from gan_lab.common.errors import GanLabError, first_line

CGROUPS = Path("/sys/fs/cgroup")
LIMITS = ("memory.max", "memory/memory.limit_in_bytes")  # of control groups, version 2 and 1


def memory_limit(root: Path = CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> int | None:
    """Bytes of the machine's memory, or of a container's share where that is less; None where nobody tells.

    Args:
        root: where control groups are mounted.
        membership: the file that names this process's groups.
    """
    found = []
    with suppress(OSError, ValueError, AttributeError):  # no such names on Windows
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    groups = [PurePosixPath("/")]
    with suppress(OSError):
        groups += [
            PurePosixPath(line.split(":", 2)[2]) for line in membership.read_text().splitlines()
        ]
    places = [place for group in groups for place in (group, *group.parents)]
    for place, name in product(places, LIMITS):
        controller, _, file = name.rpartition("/")
        with suppress(OSError, ValueError):  # "max" is no number
            found.append(int((root / controller / str(place).lstrip("/") / file).read_text()))
    return min(found, default=None)


@contextmanager
def enough_memory(
    options: str = "data.batch_size, data.resolution or a network's width",
) -> Iterator[None]:
    """Say in a sentence that memory has ended, where torch or Python says it with a trace of calls.

    Args:
        options: what to lower.

    Raises:
        GanLabError: naming them.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # torch has a type of its own for a GPU's memory only.
        if not isinstance(error, MemoryError) and not any(said in str(error) for said in _ENDED):
            raise
        raise GanLabError(
            f"The memory of this machine is not enough ({first_line(error)}); lower {options}."
        ) from error


_ENDED = ("can't allocate memory", "out of memory", "Storage size calculation overflowed")
