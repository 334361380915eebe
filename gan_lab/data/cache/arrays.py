"""Cached sets of sources that come as one array: digits and CIFAR's batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from torch import Tensor

from gan_lab.data.cache.store import Filled, cache_key, open_or_build
from gan_lab.data.cache.writer import ImageWriter
from gan_lab.data.image_set import ImageSet


def load_array(
    *,
    name: str,
    split: str,
    files: Iterable[Path],
    count: int,
    channels: int,
    resolution: int,
    classes: tuple[str, ...],
    notes: tuple[str, ...],
    read: Callable[[], tuple[Tensor, np.ndarray]],
) -> ImageSet:
    """Return the cached set, reading and fitting the array where the files are new.

    Args:
        name: the data set.
        split: the split.
        files: what it is read from; a change of size or time rebuilds.
        count: number of images at most.
        channels: channels of the images.
        resolution: side of the images.
        classes: names of the labels.
        notes: sentences about the source.
        read: returns the fitted images, uint8 (N, C, resolution, resolution), and labels (N,).
    """
    stamps = []
    for file in files:
        status = file.stat()
        stamps.append(f"{file.resolve()} {status.st_size} {status.st_mtime_ns}")

    def fill(writer: ImageWriter) -> Filled:
        images, labels = read()
        writer.write(images.numpy())
        return Filled(labels, ())

    return open_or_build(
        name=name,
        split=split,
        key=cache_key(name, split, resolution, channels, *stamps),
        classes=classes,
        notes=notes,
        shape=(count, channels, resolution, resolution),
        fill=fill,
    )


def enlarged_note(native: int, resolution: int) -> tuple[str, ...]:
    """Return the sentence for a resolution above the source's own, or nothing."""
    if resolution <= native:
        return ()
    return (f"The images are {native} pixels wide and were enlarged to {resolution}.",)
