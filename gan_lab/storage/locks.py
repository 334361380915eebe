"""A lock between processes that dies with its holder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def lock_file(path: Path, *, busy: Callable[[], None]) -> Iterator[bool]:
    """Hold the lock file `path`, on every system.

    Args:
        path: made if missing; stays afterwards, since a waiting process may hold it open.
        busy: called where another process holds it; what it raises ends the wait, else this process waits.

    Yields:
        True; False where the file system has no locks.

    Raises:
        OSError: where the file cannot be made.
    """
    from filelock import FileLock, Timeout

    path.touch()
    lock = FileLock(path)
    held = True
    try:
        lock.acquire(timeout=0)
    except Timeout:
        busy()
        lock.acquire()
    except (OSError, NotImplementedError):
        held = False
    try:
        yield held
    finally:
        lock.release()
