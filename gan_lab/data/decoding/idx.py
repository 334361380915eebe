"""The IDX format of MNIST and Fashion-MNIST, plain or gzipped."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from gan_lab.common.errors import DataError

UNSIGNED_BYTE = 8


def find_idx(folder: Path, name: str) -> Path | None:
    """Return the file of this name, unpacked or gzipped, if it is there."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None


def read_idx(path: Path) -> np.ndarray:
    """Read a uint8 array.

    torchvision reads only unpacked files, and unpacking would write into the data root.

    Raises:
        DataError: if the file is damaged, naming it.
    """
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        zeros, kind, axes = struct.unpack_from(">HBB", data)
        shape = struct.unpack_from(f">{axes}I", data, 4)
        if zeros != 0 or kind != UNSIGNED_BYTE:
            raise ValueError("not an IDX file of bytes")
        return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise DataError(f"'{path}' is truncated or damaged ({error}); get it again.") from error


def idx_length(path: Path) -> int:
    """Return the length of the first axis without reading the whole file."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return struct.unpack(">I", file.read(8)[4:])[0]
    except (OSError, EOFError, struct.error, zlib.error) as error:
        raise DataError(f"'{path}' is truncated or damaged ({error}); get it again.") from error
