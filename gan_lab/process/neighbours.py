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
from dataclasses import asdict, dataclass
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
    """

    run: str
    group: str | None
    processors: Sequence[int]


def signs_folder() -> Path:
    """Where the signs of this user's runs lie: a folder of this machine alone, which a restart empties."""
    import platformdirs

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a folder below the temporary one is taken
        return Path(platformdirs.user_runtime_dir("gan_lab")) / "runs"


@contextmanager
def among_runs(
    own: Sign, folder: Path | None = None, *, leave: bool = True
) -> Iterator[list[Sign]]:
    """Leave a sign of this run meanwhile.

    Args:
        own: of this run.
        folder: of the signs.
        leave: whether to leave one; the other ranks of a run only look.

    Yields:
        The runs that were at work before this one.
    """
    from filelock import FileLock

    place = signs_folder() if folder is None else folder
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        sign = place / f"{os.getpid()}-{uuid.uuid4().hex[:8]}.json"
        held = FileLock(sign.with_suffix(".lock"))
        # One at a time: two runs that start together must not both believe that they are alone.
        with FileLock(place / "door", timeout=PATIENCE):
            others = _at_work(place)
            if leave:
                held.acquire(timeout=0)
                sign.write_text(json.dumps(asdict(own)))
    except UNABLE:  # filelock's Timeout is an OSError too
        yield []
        return
    try:
        yield others
    finally:
        with suppress(OSError):
            sign.unlink(missing_ok=True)
            held.release()
            Path(held.lock_file).unlink(missing_ok=True)


def _at_work(place: Path) -> list[Sign]:
    """Signs whose lock is held; what ended runs have left is cleared away."""
    from filelock import FileLock, Timeout

    found = []
    for lock in sorted(place.glob("*.lock")):
        sign = lock.with_suffix(".json")
        try:
            with FileLock(lock, timeout=0):
                pass
        except Timeout:
            found.append(_read(sign))
        except UNABLE:
            continue
        else:
            sign.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)
    return found


def _read(sign: Path) -> Sign:
    """A sign's content; one that cannot be read tells of a run all the same."""
    try:
        return Sign(**json.loads(sign.read_text()))
    except (OSError, ValueError, TypeError):
        return Sign(run="", group=None, processors=())
