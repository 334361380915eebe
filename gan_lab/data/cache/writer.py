"""Writes images one after another into a .npy file; there may be fewer than expected."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np

from gan_lab.data.cache.sums import ArraySum
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
        self._sum = ArraySum()
        self._file = path.open("wb")
        self._start = self._file.write(_header("|u1", shape))

    def __enter__(self) -> ImageWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._file as file:
            if kind is not None:
                return
            if self.count != self.shape[0]:
                file.seek(0)
                if file.write(self._written_header()) != self._start:
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
        self._sum.update(pixels.reshape(-1).data)
        self.count += len(pixels)

    def record(self) -> dict[str, Any]:
        """Return what a reader needs to map the file and to know that every byte is right."""
        return _record(self._written_header(), "|u1", (self.count, *self.shape[1:]), self._sum)

    def _written_header(self) -> bytes:
        return _header("|u1", (self.count, *self.shape[1:]))


def labels_file(labels: np.ndarray) -> tuple[bytes, dict[str, Any]]:
    """Return the content of a .npy file of int64 labels, shape (N,), and its record."""
    content = ArraySum()
    content.update(labels.view(np.uint8).data)
    header = _header("<i8", labels.shape)
    return header + labels.astype("<i8").tobytes(), _record(header, "<i8", labels.shape, content)


def _header(kind: str, shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    about = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, about)
    return file.getvalue()


def _record(header: bytes, kind: str, shape: tuple[int, ...], content: ArraySum) -> dict[str, Any]:
    return {
        "kind": kind,
        "shape": list(shape),
        "offset": len(header),
        "sum": content.ended(header),
    }
