"""Files that are whole or not there: written beside their place, synced, and renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from gan_lab.common.errors import GanLabError

# What file systems answer that cannot sync.
_NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


@contextlib.contextmanager
def whole_file(path: Path, *, check: Callable[[Path], None] | None = None) -> Iterator[BinaryIO]:
    """Yield a binary file that takes the place of `path` when the block ends.

    It lies in the same folder (a rename between file systems is a copy). A kill or a full disk at any moment leaves
    what was there before, and an error leaves nothing beside it.

    Args:
        path: the target; its folder exists.
        check: called with the synced file before it takes its place; what it raises keeps the old file.

    Raises:
        OSError: where the disk refuses.
    """
    aside = path.with_name(f"{path.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with aside.open("xb") as file:
            yield file
            file.flush()
            sync(file.fileno())
        if check is not None:
            check(aside)
        aside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a small file so that a reader or a kill never meets half of it.

    Raises:
        GanLabError: where the disk refuses; what was there before stays.
    """
    try:
        with whole_file(path) as file:
            file.write(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise GanLabError(f"{path}: cannot be written ({error.strerror or error}).") from error


def append_whole(path: Path, data: bytes) -> None:
    """Append to a file, wholly or not at all.

    Raises:
        OSError: where the disk refuses; the file is as long as before.
    """
    with path.open("ab", buffering=0) as file:
        before = file.tell()
        try:
            if file.write(data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(before)
            raise


def remove_leftovers(folder: Path) -> None:
    """Delete what killed writers left beside their targets; only for who holds the folder alone."""
    for leftover in folder.glob("*.tmp-*"):
        if leftover.is_file():
            leftover.unlink(missing_ok=True)


def sync(descriptor: int) -> None:
    """Force a file to disk; a full disk may show itself only here.

    Raises:
        OSError: where the disk refuses; not where the file system knows no syncing.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def sync_folder(folder: Path) -> None:
    """Force a folder's list of names to disk, where the system can."""
    with contextlib.suppress(OSError):  # Windows opens no folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
