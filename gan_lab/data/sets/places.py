"""Where data sets are looked for, and how one that is missing is fetched."""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TypeVar

from gan_lab.common.errors import DataError
from gan_lab.common.paths import user_path
from gan_lab.data.cache.store import cache_root, locked
from gan_lab.process.progress import phase

log = logging.getLogger(__name__)

Found = TypeVar("Found")
PATIENCE_SECONDS = 20.0  # for one answer from the network


def places(root: str | None) -> list[Path]:
    """Return where to look: data.root alone, else GAN_LAB_DATA, ./data and the downloads."""
    if root is not None:
        return [user_path(root, "data.root")]
    shared = os.environ.get("GAN_LAB_DATA")
    given = [user_path(shared, "GAN_LAB_DATA")] if shared else []
    return [*given, Path("data"), downloads()]


def downloads() -> Path:
    """Return the folder that downloads go to; data roots are never written to."""
    return cache_root() / "data"


@dataclass(frozen=True)
class Wanted:
    """A data set that is looked for.

    Attributes:
        name: as in `data=celeba`.
        title: as people call it, "CelebA".
        holds: what the folder should hold, "celeba/img_align_celeba/".
        page: where people get it by hand, in words.
    """

    name: str
    title: str
    holds: str
    page: str

    def missing(self, looked: Sequence[Path], why: str | None = None) -> DataError:
        """The error that says where it is not, why it did not come by itself, and the ways to get it."""
        shown = ", ".join(f"'{place.absolute()}'" for place in looked)
        ways = (
            f"set data.root= or GAN_LAB_DATA to the folder that holds {self.holds}, "
            f"or get it from {self.page}"
        )
        said = f"data={self.name}: {self.title} was not found in {shown}"
        if why is not None:
            return DataError(f"{said} and could not be downloaded ({why}); {ways}.")
        return DataError(
            f"{said}; {ways}; without data.root it is downloaded to '{downloads()}' "
            "where there is a network."
        )


def locate(
    wanted: Wanted,
    root: str | None,
    find: Callable[[Path], Found | None],
    fetch: Callable[[Path], object],
) -> Found:
    """Find a data set, downloading it where data.root is not set and there is a network.

    Args:
        wanted: for messages.
        root: the option data.root.
        find: looks in one folder; None where nothing is there.
        fetch: downloads into a folder, in torchvision's layout.

    Raises:
        DataError: where it is nowhere; says where it was looked for and the ways to get it.
    """
    looked = places(root)
    for place in looked:
        found = find(place)
        if found is not None:
            return found
    if root is not None:
        raise wanted.missing(looked)
    reason = _download(wanted.title, fetch)
    found = find(downloads())
    if found is None:
        raise wanted.missing(looked, reason)
    return found


def _download(title: str, fetch: Callable[[Path], object]) -> str:
    """Fetch into a folder of its own and move what came; returns why nothing did."""
    target = downloads()
    try:
        target.mkdir(parents=True, exist_ok=True)
        with locked(target / f"{title}.lock"), _patience(), _work_folder(title, target) as work:
            log.info(f"Downloading {title} to '{target}' ...")
            with phase(f"Downloading {title}"):
                fetch(work)
            new = [item for item in work.iterdir() if not (target / item.name).exists()]
            for item in new:
                item.rename(target / item.name)
    except Exception as error:  # a network fails in many ways; none of them is ours to raise
        return _reason(error)
    return "nothing usable came"


@contextmanager
def _work_folder(title: str, target: Path) -> Iterator[Path]:
    """Yield a folder for a download that may fail; it is gone afterwards."""
    work = Path(mkdtemp(prefix=f"{title}.tmp-", dir=target))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _reason(error: Exception) -> str:
    """Return the heart of an error in a line; urllib's lies deep in torchvision's report."""
    text = " ".join(str(error).split()).rstrip(".")
    inner = re.search(r"urlopen error ([^>]+)>", text)
    return (inner[1] if inner else text[:160]) or type(error).__name__


@contextmanager
def _patience() -> Iterator[None]:
    """Give up on a network that swallows packets; urllib would wait for minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
