"""Other runs at work on this machine, by the sign that each leaves: a locked file in the user's runtime folder.

The system lets go of a lock when its process ends, however it ends, so no sign outlives its run.
"""

from __future__ import annotations

import json
import os
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

PATIENCE = 10.0  # seconds for another run that is just looking around
# What a folder without locks, or one that cannot be written, answers: no signs then.
UNABLE = (OSError, NotImplementedError)


@dataclass(frozen=True)
class Sign:
    """What a run tells others of itself.

    Attributes:
        run: its folder.
        group: the sweep that it belongs to, if any.
        processors: that it may run on; runs that share none do not meet.
        pid: its process.
    """

    run: str
    group: str | None
    processors: Sequence[int]
    pid: int = field(default_factory=os.getpid)


def signs_folder() -> Path:
    """Where the signs of this user's runs lie: a folder of this machine alone, which a restart empties."""
    import platformdirs

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a folder below the temporary one is taken
        return Path(platformdirs.user_runtime_dir("gan_lab")) / "runs"


@contextmanager
def present(own: Sign, folder: Path | None = None) -> Iterator[None]:
    """Leave a sign of this run meanwhile; a run may leave several, and counts once.

    Args:
        own: what it says.
        folder: of the signs.
    """
    from filelock import FileLock

    place = signs_folder() if folder is None else folder
    sign = place / f"{os.getpid()}-{uuid.uuid4().hex[:8]}.json"
    held = FileLock(sign.with_suffix(".lock"))
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(place / "door", timeout=PATIENCE):
            # Behind the door, else another run could clear the sign away before it is locked.
            held.acquire(timeout=0)
            sign.write_text(json.dumps(asdict(own)))
    except UNABLE:  # filelock's Timeout is an OSError too
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            sign.unlink(missing_ok=True)
            held.release()
            Path(held.lock_file).unlink(missing_ok=True)


def at_work(own: Sign, folder: Path | None = None) -> list[Sign]:
    """The other runs that are at work now, one sign of each; what ended runs have left is cleared away."""
    from filelock import FileLock

    place = signs_folder() if folder is None else folder
    found: dict[str, Sign] = {}
    try:
        with FileLock(place / "door", timeout=PATIENCE):
            for lock in filter(_is_held, sorted(place.glob("*.lock"))):
                sign = _read(lock.with_suffix(".json"))
                found[sign.run or lock.name] = sign
    except UNABLE:
        return []
    return [sign for sign in found.values() if sign.run != own.run and sign.pid != own.pid]


def _is_held(lock: Path) -> bool:
    from filelock import FileLock, Timeout

    try:
        with FileLock(lock, timeout=0):
            pass
    except Timeout:
        return True
    except UNABLE:
        return False
    lock.with_suffix(".json").unlink(missing_ok=True)
    lock.unlink(missing_ok=True)
    return False


def _read(sign: Path) -> Sign:
    """A sign's content; one that cannot be read tells of a run all the same."""
    try:
        return Sign(**json.loads(sign.read_text()))
    except (OSError, ValueError, TypeError):
        return Sign(run="", group=None, processors=(), pid=0)
