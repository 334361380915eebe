"""Opens a cached set as memory maps, once every byte of it is known to be what was written."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gan_lab.data.cache.sums import sum_of


class DamagedCacheError(Exception):
    """A cached set is not what was written; the message completes "the cached images ... are ...: "."""


class Opened(NamedTuple):
    """A cached set, memory-mapped, with what its builder noted."""

    images: Tensor
    labels: Tensor | None
    meta: dict[str, Any]


def sealed(meta: dict[str, Any]) -> bytes:
    """Return the content of meta.json with a checksum of itself."""
    return json.dumps({**meta, "check": _check(meta)}, indent=1).encode()


def open_cached(folder: Path) -> Opened | None:
    """Open a cached set; None where there is none.

    Raises:
        DamagedCacheError: if anything of it is damaged, missing or of an older make.
    """
    try:
        meta = json.loads((folder / "meta.json").read_bytes())
        check = meta.pop("check")
    except FileNotFoundError:
        if folder.is_dir():
            raise DamagedCacheError("meta.json is missing") from None
        return None
    except KeyError:
        raise DamagedCacheError("it was written without checksums") from None
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise DamagedCacheError(f"meta.json cannot be read ({error})") from error
    if check != _check(meta):
        raise DamagedCacheError("meta.json has changed")
    # Mapped whatever their size: the pages are the system's to keep or drop, and a run's own
    # memory does not grow with the set.
    images = _map(folder / "images.npy", meta["images"])
    labels = None if meta["labels"] is None else _map(folder / "labels.npy", meta["labels"])
    return Opened(images, labels, meta)


def _map(path: Path, record: dict[str, Any]) -> Tensor:
    shape, offset = tuple(record["shape"]), record["offset"]
    try:
        with path.open("rb", buffering=0) as file:
            found = sum_of(file, offset=offset)
        array = np.memmap(path, dtype=record["kind"], mode="r", offset=offset, shape=shape)
        length = path.stat().st_size
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DamagedCacheError(f"{path.name} cannot be read ({reason})") from error
    if length != offset + array.nbytes:
        raise DamagedCacheError(f"{path.name} has another length")
    if found != record["sum"]:
        raise DamagedCacheError(f"{path.name} holds something else than was written")
    with warnings.catch_warnings():
        # The maps are read-only on purpose and torch cannot say so; nobody writes to an ImageSet.
        warnings.filterwarnings("ignore", message=".*not writable.*")
        return torch.from_numpy(np.asarray(array))


def _check(meta: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()
