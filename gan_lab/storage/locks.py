"""A lock between processes that dies with its holder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Seconds in which a lock file that its holder takes away is gone.
PATIENCE = 0.5


@contextmanager
def lock_file(path: Path, *, busy: Callable[[], None], fleeting: bool = False) -> Iterator[bool]:
    """Hold the lock file `path`, on every system.

    Args:
        path: made if missing.
        busy: called where another process holds it; what it raises ends the wait, else this process waits.
        fleeting: take the file away at the end. It is for locks that nobody waits for; a killed process leaves the
            file, without its lock, to the next one. A file that is gone is no lock to filelock, which looks again.

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
        lock.acquire(timeout=PATIENCE if fleeting else 0)
    except Timeout:
        busy()
        lock.acquire()
    except (OSError, NotImplementedError):
        held = False
    try:
        yield held
    finally:
        if fleeting:
            with suppress(OSError):  # some systems keep what is open
                path.unlink()
        lock.release()
