"""Cached sets of sources that come as one array: digits and CIFAR's batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from torch import Tensor

from gan_lab.data.cache.store import Builder, Filled, cache_key, open_or_build
from gan_lab.data.cache.writer import ImageWriter
from gan_lab.data.image_set import About, ImageSet


def load_array(
    about: About,
    files: Iterable[Path],
    *,
    shape: tuple[int, int, int, int],
    read: Callable[[], tuple[Tensor, np.ndarray]],
) -> ImageSet:
    """Return the cached set, reading and fitting the array where the files are new.

    Args:
        about: the set.
        files: what it is read from; a change of size or time rebuilds.
        shape: (N, C, H, W) of all images at most.
        read: returns the fitted images, uint8 (N, C, H, W), and labels (N,).
    """
    stamps = []
    for file in files:
        status = file.stat()
        stamps.append(f"{file.resolve()} {status.st_size} {status.st_mtime_ns}")

    def fill(writer: ImageWriter) -> Filled:
        images, labels = read()
        writer.write(images.numpy())
        return Filled(labels, ())

    _, channels, _, resolution = shape
    key = cache_key(about.name, about.split, resolution, channels, *stamps)
    return open_or_build(about, key, Builder(shape, fill))


def enlarged_note(native: int, resolution: int) -> tuple[str, ...]:
    """Return the sentence for a resolution above the source's own, or nothing."""
    if resolution <= native:
        return ()
    return (f"The images are {native} pixels wide and were enlarged to {resolution}.",)
