"""Writes images one after another into a .npy file; there may be fewer than expected."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from gan_lab.storage.files import sync


class ImageWriter:
    """A growing uint8 array (N, C, H, W) on disk, and the hash of what was written.

    Plain writes, not a memory map: on a full disk a map kills the process (SIGBUS), a write raises.

    Attributes:
        count: images written so far.
        digest: hash of the image shape and all pixels.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int, int]) -> None:
        self.shape = shape
        self.count = 0
        self.digest = hashlib.sha256(repr(shape[1:]).encode())
        self._file = path.open("wb")
        self._header(shape[0])
        self._start = self._file.tell()

    def __enter__(self) -> ImageWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._file as file:
            if kind is not None:
                return
            if self.count != self.shape[0]:
                file.seek(0)
                self._header(self.count)
                if file.tell() != self._start:
                    raise RuntimeError(
                        "numpy's header grew; it should leave room for the first axis"
                    )
            file.flush()
            sync(file.fileno())

    def write(self, images: np.ndarray) -> None:
        """Append uint8 images, shape (n, C, H, W)."""
        pixels = np.ascontiguousarray(images)
        if pixels.dtype != np.uint8 or pixels.shape[1:] != self.shape[1:]:
            raise ValueError(
                f"expected uint8 (n, {self.shape[1:]}), got {pixels.dtype} {pixels.shape}"
            )
        self._file.write(pixels.data)
        self.digest.update(pixels.data)
        self.count += len(pixels)

    def _header(self, count: int) -> None:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, *self.shape[1:])}
        np.lib.format.write_array_header_1_0(self._file, header)
