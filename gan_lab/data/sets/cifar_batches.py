"""CIFAR-10's own batches, pickled: read as numbers and words, whatever else a pickle asks for."""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_lab.common.errors import DataError
from gan_lab.data.decoding.fit import resize

BATCHES = {"train": [f"data_batch_{n}" for n in range(1, 6)], "test": ["test_batch"]}
FOLDER, ARCHIVE = "cifar-10-batches-py", "cifar-10-python.tar.gz"


def read_batches(files: list[Path], split: str, resolution: int) -> tuple[Tensor, np.ndarray]:
    """Read a split from its batch files, or from torchvision's archive, of which nothing is unpacked.

    Args:
        files: the batches, or the archive alone.
        split: "train" or "test".
        resolution: 32 is raw, any other resizes.

    Returns:
        The images, uint8, shape (N, 3, resolution, resolution), and int64 labels, shape (N,).

    Raises:
        DataError: if a batch is damaged or is no batch.
    """
    pixels, labels = [], []
    for path, data in _batch_bytes(files, split):
        try:
            batch = _BatchUnpickler(io.BytesIO(data), encoding="latin1").load()
            pixels.append(np.asarray(batch["data"], np.uint8).reshape(-1, 3, 32, 32))
            labels.append(np.asarray(batch["labels"], np.int64))
            if len(pixels[-1]) != len(labels[-1]):
                raise ValueError("labels and images differ in number")
        except Exception as error:  # a broken pickle raises nearly anything
            raise DataError(
                f"data=cifar10: '{path}' is truncated or damaged ({error}); get it again."
            ) from error
    images = torch.from_numpy(np.concatenate(pixels))
    fitted = torch.cat([resize(part, resolution) for part in images.split(4096)])
    return fitted, np.concatenate(labels)


def _batch_bytes(files: list[Path], split: str) -> Iterator[tuple[Path, bytes]]:
    if files[0].name != ARCHIVE:
        for path in files:
            yield path, path.read_bytes()
        return
    try:
        with tarfile.open(files[0]) as archive:
            for name in BATCHES[split]:
                yield files[0] / name, _member(archive, name)
    except (tarfile.TarError, KeyError, EOFError, OSError) as error:
        raise DataError(
            f"data=cifar10: '{files[0]}' is truncated or damaged ({error}); get it again."
        ) from error


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(f"{FOLDER}/{name}")
    return b"" if member is None else member.read()  # a folder of that name is no batch


class _BatchUnpickler(pickle.Unpickler):
    """Reads arrays, lists and strings only: a pickle from elsewhere could run any code."""

    def find_class(self, module: str, name: str) -> Any:
        if name == "_reconstruct" and module.startswith("numpy"):
            return np.empty(0).__reduce__()[0]
        if (module, name) in {("numpy", "ndarray"), ("numpy", "dtype")}:
            return getattr(np, name)
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def _latin1(text: str, codec: str) -> bytes:
    """Stand in for the function by which pickles of bytes name their codec."""
    if codec not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it names the codec {codec}")
    return text.encode("latin1")
