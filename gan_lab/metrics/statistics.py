"""Statistics of the real images' features, computed once and kept on disk."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_lab.common.durations import in_words
from gan_lab.common.errors import DataError
from gan_lab.data.cache.store import cache_root
from gan_lab.data.image_set import ImageSet
from gan_lab.metrics.extractor import Extractor
from gan_lab.metrics.isolation import untouched_randomness
from gan_lab.metrics.timing import seconds_per_image
from gan_lab.process.progress import phase
from gan_lab.storage.seals import DamagedFileError, sealed, sealed_file

log = logging.getLogger(__name__)


FORMAT = 3  # part of the key; raise it when what is stored, or how it is computed, changes
ANNOUNCED_SECONDS = 10.0


@dataclass(frozen=True)
class Statistics:
    """Sums over the features of n images, and some of the features themselves.

    Attributes:
        count: n.
        total: sum of the features, (d,), float64.
        outer: sum of their outer products, (d, d), float64.
        rows: the features of m of the images, (m, d), float32; all of them where n <= d, because
            an exact Frechet distance then needs them.
    """

    count: int
    total: Tensor
    outer: Tensor
    rows: Tensor


def fixed_subset(total: int, count: int, *, purpose: str) -> Tensor:
    """Return `count` of the indices 0 .. total - 1, ascending, always the same for one purpose.

    Images often lie sorted by class, so the first ones would not do.
    """
    seed = hashlib.sha256(f"gan_lab/{purpose}/{total}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(seed[:4], "little"))
    return torch.randperm(total, generator=generator)[:count].sort().values


def rows_kept(count: int, keep: int, *, dim: int) -> int:
    """How many of `count` feature vectors are kept where `keep` are wished for: all, where they are at most `dim`."""
    return count if count <= dim else min(keep, count)


def fewer_rows(statistics: Statistics, keep: int) -> Statistics:
    """The same statistics with the rows that they would have if only `keep` had been asked for.

    Fixed subsets of one purpose are parts of each other, so nothing has to be computed again.
    """
    if keep == len(statistics.rows):
        return statistics
    held = fixed_subset(statistics.count, len(statistics.rows), purpose="rows")
    wanted = fixed_subset(statistics.count, keep, purpose="rows")
    return replace(statistics, rows=statistics.rows[torch.searchsorted(held, wanted)])


def statistics_of_reals(
    images: ImageSet,
    extractor: Extractor,
    *,
    num_reals: int | None,
    keep: int,
    batch_size: int,
    label: int | None = None,
) -> Statistics:
    """Open the cached statistics, or compute and cache them.

    Args:
        images: the set; its fingerprint stands for its content and preparation.
        extractor: its identity is part of the key.
        num_reals: how many images, a fixed subset; None for all.
        keep: how many features to keep for a kernel distance; all are kept where they are at most
            as many as the features are long.
        batch_size: images at once; does not change the result.
        label: of a class, whose images alone are taken; None takes those of all.

    Raises:
        DataError: if the split has fewer than two images.
    """
    among = _indices(images, label)
    available = len(among)
    count = available if num_reals is None else min(num_reals, available)
    if count < 2:
        raise DataError(
            f"{images.name}: split '{images.split}' has {available} images{_of_class(images, label)}, too few for "
            f"statistics; choose another metrics.split."
        )
    keep = rows_kept(count, keep, dim=extractor.dim)
    path = cache_root() / "statistics" / f"{_key(images, extractor, count, keep, label)}.pt"
    found = _read(path, extractor.dim)
    if found is not None:
        return found
    chosen = among[fixed_subset(available, count, purpose="reals")]
    statistics = _compute(images.images, chosen, extractor, keep=keep, batch_size=batch_size)
    _write(path, statistics)
    return statistics


def _indices(images: ImageSet, label: int | None) -> Tensor:
    """Places of the images of a class, or of all."""
    if label is None:
        return torch.arange(len(images.images))
    assert images.labels is not None
    return (images.labels == label).nonzero().flatten()


def _of_class(images: ImageSet, label: int | None) -> str:
    return "" if label is None else f" of the class {images.classes[label]}"


def _key(images: ImageSet, extractor: Extractor, count: int, keep: int, label: int | None) -> str:
    parts: Mapping[str, Any] = {
        "format": FORMAT,
        "fingerprint": images.fingerprint,
        "split": images.split,
        "num_reals": count,
        "keep": keep,
        **extractor.identity(),
        **({} if label is None else {"label": label}),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _compute(
    pixels: Tensor, chosen: Tensor, extractor: Extractor, *, keep: int, batch_size: int
) -> Statistics:
    """Stream the chosen images through the extractor; a long way is announced."""
    kept = torch.zeros(len(chosen), dtype=torch.bool)
    kept[fixed_subset(len(chosen), keep, purpose="rows")] = True
    total = torch.zeros(extractor.dim, dtype=torch.float64, device=extractor.exact_device)
    outer = total.new_zeros(extractor.dim, extractor.dim)
    rows = [torch.zeros(0, extractor.dim)]
    parts = list(zip(chosen.split(batch_size), kept.split(batch_size), strict=True))
    title = "Statistics of the reals"
    with untouched_randomness(extractor.device), phase(title, total=len(chosen)) as shown:
        first = pixels.index_select(0, parts[0][0])
        shown.leaves = _announce(extractor, first, len(chosen))
        for part, keeping in parts:
            # index_select: plain indexing of bytes is eight times as slow on a CPU.
            features = extractor.features(pixels.index_select(0, part))
            if keep > 0:
                rows.append(features.cpu()[keeping])
            exact = features.to(extractor.exact_device).double()
            total += exact.sum(dim=0)
            outer += exact.T @ exact
            shown.advance(len(part))
    return Statistics(len(chosen), total.cpu(), outer.cpu(), torch.cat(rows))


def _announce(extractor: Extractor, first: Tensor, count: int) -> bool:
    """Time few images; if all will take long, say so, and return whether they will."""
    seconds = count * seconds_per_image(lambda few: extractor.features(first[:few]), len(first))
    if seconds < ANNOUNCED_SECONDS:
        return False
    log.info(
        f"Statistics of {count:,} real images are computed once and kept; this takes about {in_words(seconds)} here. "
        "metrics.num_reals takes fewer of them, metrics=small a smaller network."
    )
    return True


def _read(path: Path, dim: int) -> Statistics | None:
    """Return what is stored, or None where it is absent, damaged or of another shape."""
    try:
        with path.open("rb", buffering=0) as file:
            if not sealed(file):
                raise DamagedFileError("its checksum is missing")
            stored = torch.load(file, map_location="cpu", weights_only=True)
        found = Statistics(**{field.name: stored[field.name] for field in fields(Statistics)})
        sound = (
            found.count >= 2
            and found.total.shape == (dim,)
            and found.outer.shape == (dim, dim)
            and found.rows.shape[1:] == (dim,)
            and bool(found.outer.isfinite().all())
        )
    except FileNotFoundError:
        return None
    except Exception:  # a damaged file can raise nearly anything
        sound = False
    if sound:
        return found
    log.info(f"The cached statistics {path} are damaged and will be computed again.")
    return None


def _write(path: Path, statistics: Statistics) -> None:
    """Write aside and rename; a full or read-only disk costs the next run time, not this one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with sealed_file(path) as file:
            torch.save(vars(statistics), file)
    except (
        OSError,
        RuntimeError,
        DamagedFileError,
    ) as error:  # torch reports a full disk as a RuntimeError
        log.info(f"The statistics of the reals could not be cached at {path}: {error}")
