"""The cache of decoded images: one folder per source and preprocessing, written whole or never."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from platformdirs import user_cache_path
from torch import Tensor

from gan_lab.common.errors import DataError
from gan_lab.common.paths import user_path
from gan_lab.data.cache.reader import DamagedCacheError, Opened, open_cached, sealed
from gan_lab.data.cache.writer import ImageWriter, labels_file
from gan_lab.data.image_set import About, ImageSet
from gan_lab.storage.files import sync_folder, whole_file
from gan_lab.storage.locks import lock_file

log = logging.getLogger(__name__)


VERSION = 1  # raise it whenever decoding changes a pixel


class Filled(NamedTuple):
    """What a builder knows once the pixels are written.

    Attributes:
        labels: int64, shape (N,), or None.
        notes: sentences for the user.
        unread: names of files that the system did not give, and may give another time.
        left_out: places among the rows that might have come of those that did not.
    """

    labels: np.ndarray | None
    notes: tuple[str, ...]
    unread: tuple[str, ...] = ()
    left_out: tuple[int, ...] = ()


def cache_root() -> Path:
    """Return the folder of all caches: GAN_LAB_CACHE, else gan_lab in the user's cache folder."""
    given = os.environ.get("GAN_LAB_CACHE")
    if given:
        return user_path(given, "GAN_LAB_CACHE").absolute()
    return user_cache_path("gan_lab", appauthor=False)


def cache_key(*words: object) -> str:
    """Hash everything that decides the cached pixels into a short key."""
    digest = hashlib.sha256()
    for word in (VERSION, *words):
        text = os.fsencode(str(word))
        digest.update(f"{len(text)}:".encode() + text)
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Builder:
    """How a set is made.

    Attributes:
        shape: the largest (N, C, H, W) that may come.
        fill: writes the images; called only where there is no cache.
        readable: whether one of the files that could not be read before can be read now.
        labels: of each row that may come, shape (N, ...); they are laid beside the cache and not kept in it, so that
            other labels need no other pixels.
    """

    shape: tuple[int, int, int, int]
    fill: Callable[[ImageWriter], Filled]
    readable: Callable[[Sequence[str]], bool] = lambda _: False
    labels: Tensor | None = None


def open_or_build(about: About, key: str, builder: Builder) -> ImageSet:
    """Open the cached set, building it first where it is not there, damaged, or lacks what can be read now.

    A lock makes a second run wait for the first one's work; where the file system has no locks both
    build and the one that ends first wins. A killed builder leaves a folder that is never opened
    and is removed by the next one.

    Args:
        about: the set; its notes are put before those of the builder.
        key: from `cache_key`.
        builder: makes it.

    Raises:
        DataError: if the cache cannot be written, or from the builder.
    """
    folder = cache_root() / "images" / f"{about.name}-{about.split}-{builder.shape[-1]}-{key}"
    found = _usable(folder, builder)
    if found is None:
        with _told_for_people(about, folder):
            found = _open_locked(folder, builder)
    labels, fingerprint = _labels(found, builder)
    return ImageSet(
        name=about.name,
        split=about.split,
        images=found.images,
        labels=labels,
        classes=about.classes if labels is not None else (),
        fingerprint=fingerprint,
        notes=(*about.notes, *found.meta["notes"]),
    )


def _labels(found: Opened, builder: Builder) -> tuple[Tensor | None, str]:
    """The labels of the rows that came, from the cache or from beside it, and the fingerprint of all."""
    fingerprint: str = found.meta["fingerprint"]
    if builder.labels is None:
        return found.labels, fingerprint
    came = torch.ones(len(builder.labels), dtype=torch.bool)
    came[found.meta.get("left_out", [])] = False
    labels = builder.labels[came]
    digest = hashlib.sha256(fingerprint.encode() + labels.numpy().tobytes())
    return labels, digest.hexdigest()[:16]


@contextlib.contextmanager
def _told_for_people(about: About, folder: Path) -> Iterator[None]:
    """Put into a sentence why the set cannot be kept."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"data={about.name}: the decoded images cannot be kept in '{folder.parent}' "
            f"({error.strerror or error}); make room there or set the environment variable "
            "GAN_LAB_CACHE to another folder."
        ) from error
    except DamagedCacheError as error:
        raise DataError(
            f"data={about.name}: the cache '{folder}' is damaged just after it was written "
            f"({error}); set the environment variable GAN_LAB_CACHE to a folder on another disk."
        ) from error


@contextlib.contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold a lock that dies with this process, waiting for it; yields False on file systems that have none."""

    def busy() -> None:
        log.info(f"Waiting for another run that prepares {path.stem} ...")

    with lock_file(path, busy=busy) as held:
        yield held


def _open_locked(folder: Path, builder: Builder) -> Opened:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_name(folder.name + ".lock")) as alone:
        # Another run may have built it while this one waited.
        found = _usable(folder, builder, speak=True)
        if found is None:
            _remove(folder)
            _build(folder, builder, alone=alone)
            found = open_cached(folder)
    if found is None:
        raise DamagedCacheError("it is gone")
    return found


def _usable(folder: Path, builder: Builder, *, speak: bool = False) -> Opened | None:
    """Open the cached set; None where it is absent, damaged or lacks files that can be read now."""
    try:
        found = open_cached(folder)
    except DamagedCacheError as error:
        if speak:
            log.info(
                f"The cached images in '{folder}' cannot be used ({error}); they are made again."
            )
        return None
    if found is None:
        return None
    left_out = len(found.meta.get("left_out", []))
    if builder.labels is not None and len(builder.labels) != len(found.images) + left_out:
        return None  # made when caches did not say which rows are left out
    if not builder.readable(found.meta["unread"]):
        return found
    if speak:
        log.info(
            "Files that could not be read before can be read now; the images are decoded again."
        )
    return None


def _build(folder: Path, builder: Builder, *, alone: bool) -> None:
    if alone:  # whatever is left beside the folder is of runs that were killed
        for left in folder.parent.glob(f"{folder.name}.tmp-*"):
            shutil.rmtree(left, ignore_errors=True)
    needed, free = int(np.prod(builder.shape)), shutil.disk_usage(folder.parent).free
    if needed > free:
        raise OSError(0, f"{needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free")
    work = _beside(folder)
    work.mkdir()
    try:
        _write(work, builder)
        _publish(work, folder)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def _write(work: Path, builder: Builder) -> None:
    """Write the images, their labels and what is known of them."""
    with ImageWriter(work / "images.npy", builder.shape) as writer:
        filled = builder.fill(writer)
    digest, labels = writer.digest, None
    if filled.labels is not None:
        content, labels = labels_file(np.ascontiguousarray(filled.labels, dtype=np.int64))
        digest.update(content[labels["offset"] :])
        with whole_file(work / "labels.npy") as file:
            file.write(content)
    meta = {
        "fingerprint": digest.hexdigest()[:16],
        "notes": list(filled.notes),
        "unread": list(filled.unread),
        "left_out": list(filled.left_out),
        "images": writer.record(),
        "labels": labels,
    }
    with whole_file(work / "meta.json") as file:
        file.write(sealed(meta))


def _publish(work: Path, folder: Path) -> None:
    """Give the finished folder its name in one step."""
    try:
        work.rename(folder)
    except OSError:  # without locks another run was quicker, with the same images
        shutil.rmtree(work, ignore_errors=True)
        if not folder.is_dir():
            raise
    sync_folder(folder.parent)


def _remove(folder: Path) -> None:
    """Take a set away that cannot be used; who has it mapped keeps what it maps."""
    aside = _beside(folder)
    with contextlib.suppress(FileNotFoundError):
        folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


def _beside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}")
