"""Checksums over every byte of a cached array, by blocks, so that all cores check one file.

CRC-32 finds any flipped bit, any damage within 32 bits, and misses other damage once in 4 billion blocks. It guards
against disks, not against people; what an image set *is* says its fingerprint. Of what Python brings it is the fastest
(3.3 GB/s a core here, SHA-256 1.1): a set is read once when it is opened, as the first epoch would, and is checked
before anything was made of it. Hashing only what is used, when it is used, would put work into every batch.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

BLOCK = 4 * 2**20


class BlockSums:
    """The checksums of bytes that come piece by piece."""

    def __init__(self) -> None:
        self._done: list[int] = []
        self._sum = 0
        self._length = 0  # of the block at work

    def update(self, data: memoryview) -> None:
        """Take the next bytes; the view is flat, of bytes."""
        while len(data):
            part = data[: BLOCK - self._length]
            self._sum = zlib.crc32(part, self._sum)
            self._length += len(part)
            data = data[len(part) :]
            if self._length == BLOCK:
                self._done.append(self._sum)
                self._sum = self._length = 0

    def values(self) -> list[int]:
        """Return one number for each block so far, the last one maybe short."""
        return [*self._done, self._sum] if self._length else list(self._done)


def sums_of(data: memoryview) -> list[int]:
    """Return the checksums of bytes at once."""
    sums = BlockSums()
    sums.update(data)
    return sums.values()


def first_damaged(array: np.ndarray, expected: Sequence[int]) -> int | None:
    """Return the first block whose checksum is another, None where all are right.

    Args:
        array: contiguous, of any shape and type.
        expected: what `BlockSums.values` gave for its bytes.
    """
    flat = array.reshape(-1).view(np.uint8).data
    starts = range(0, len(flat), BLOCK)
    if len(starts) != len(expected):
        return min(len(starts), len(expected))

    def right(number: int) -> bool:
        start = starts[number]
        return zlib.crc32(flat[start : start + BLOCK]) == expected[number]

    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="check") as pool:
        for number, found in enumerate(pool.map(right, range(len(starts)))):
            if not found:
                return number
    return None
