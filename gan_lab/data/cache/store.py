"""The cache of decoded images: one folder per source and preprocessing, written whole or never."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import secrets
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from platformdirs import user_cache_path
from torch import Tensor

from gan_lab.common.errors import DataError
from gan_lab.common.paths import user_path
from gan_lab.data.cache.writer import ImageWriter
from gan_lab.data.image_set import ImageSet
from gan_lab.storage.files import sync_folder, whole_file
from gan_lab.storage.locks import lock_file

log = logging.getLogger(__name__)


VERSION = 1  # raise it whenever decoding changes a pixel


class Filled(NamedTuple):
    """What a builder knows once the pixels are written: labels (N,) int64 or None, and notes."""

    labels: np.ndarray | None
    notes: tuple[str, ...]


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


def open_or_build(
    *,
    name: str,
    split: str,
    key: str,
    classes: tuple[str, ...],
    notes: tuple[str, ...],
    shape: tuple[int, int, int, int],
    fill: Callable[[ImageWriter], Filled],
) -> ImageSet:
    """Open the cached set, building it first where it is not there.

    A lock makes a second run wait for the first one's work; where the file system has no locks both
    build and the one that ends first wins. A killed builder leaves a folder that is never opened
    and is removed by the next one.

    Args:
        name: the data set, for messages and the folder's name.
        split: the split.
        key: from `cache_key`.
        classes: names of the labels.
        notes: sentences about the source, put before those of the builder.
        shape: the largest (N, C, H, W) that may come.
        fill: writes the images; called only where there is no cache.

    Raises:
        DataError: if the cache cannot be written, or from `fill`.
    """
    folder = cache_root() / "images" / f"{name}-{split}-{shape[-1]}-{key}"
    found = _open(folder)
    if found is None:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with locked(folder.with_name(folder.name + ".lock")) as alone:
                found = _open(folder)  # another run may have built it while this one waited
                if found is None:
                    _build(folder, shape, fill, alone=alone)
                    found = _open(folder)
        except OSError as error:
            raise DataError(
                f"data={name}: the decoded images cannot be kept in '{folder.parent}' "
                f"({error.strerror or error}); make room there or set the environment variable "
                "GAN_LAB_CACHE to another folder."
            ) from error
    if found is None:
        raise DataError(f"data={name}: the cache '{folder}' cannot be read back; remove it.")
    images, labels, meta = found
    return ImageSet(
        name=name,
        split=split,
        images=images,
        labels=labels,
        classes=classes if labels is not None else (),
        fingerprint=meta["fingerprint"],
        notes=(*notes, *meta["notes"]),
    )


@contextlib.contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold a lock that dies with this process, waiting for it; yields False on file systems that have none."""

    def busy() -> None:
        log.info(f"Waiting for another run that prepares {path.stem} ...")

    with lock_file(path, busy=busy) as held:
        yield held


def _build(
    folder: Path,
    shape: tuple[int, int, int, int],
    fill: Callable[[ImageWriter], Filled],
    *,
    alone: bool,
) -> None:
    if alone:  # whatever is left beside the folder is of runs that were killed
        for left in folder.parent.glob(f"{folder.name}.tmp-*"):
            shutil.rmtree(left, ignore_errors=True)
    needed, free = int(np.prod(shape)), shutil.disk_usage(folder.parent).free
    if needed > free:
        raise OSError(0, f"{needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free")
    work = folder.with_name(f"{folder.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}")
    work.mkdir()
    try:
        with ImageWriter(work / "images.npy", shape) as writer:
            filled = fill(writer)
        digest = writer.digest
        if filled.labels is not None:
            labels = np.ascontiguousarray(filled.labels, dtype=np.int64)
            digest.update(labels.tobytes())
            with whole_file(work / "labels.npy") as file:
                np.save(file, labels)
        meta = {
            "fingerprint": digest.hexdigest()[:16],
            "notes": list(filled.notes),
            "labelled": filled.labels is not None,
        }
        with whole_file(work / "meta.json") as file:
            file.write(json.dumps(meta, indent=1).encode())
        _publish(work, folder)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def _publish(work: Path, folder: Path) -> None:
    """Give the finished folder its name in one step."""
    try:
        work.rename(folder)
    except OSError:
        if _open(folder) is not None:  # another run was quicker
            shutil.rmtree(work, ignore_errors=True)
            return
        shutil.rmtree(folder, ignore_errors=True)  # damaged, or it would have been opened
        work.rename(folder)
    sync_folder(folder.parent)


def _open(folder: Path) -> tuple[Tensor, Tensor | None, dict[str, Any]] | None:
    """Open a cached set; None where it is absent or damaged."""
    try:
        meta = json.loads((folder / "meta.json").read_text())
        # Mapped whatever their size: the pages are the system's to keep or drop, and a run's own
        # memory does not grow with the set.
        images = np.load(folder / "images.npy", mmap_mode="r")
        labels = np.load(folder / "labels.npy", mmap_mode="r") if meta["labelled"] else None
    except (OSError, ValueError, KeyError, EOFError):
        return None
    with warnings.catch_warnings():
        # The maps are read-only on purpose and torch cannot say so; nobody writes to an ImageSet.
        warnings.filterwarnings("ignore", message=".*not writable.*")
        return (
            torch.from_numpy(images),
            None if labels is None else torch.from_numpy(labels),
            meta,
        )
