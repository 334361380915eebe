"""CIFAR-10, from torchvision's batches or from a tree of images."""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gan_lab.common.errors import DataError
from gan_lab.data.cache.arrays import enlarged_note, load_array
from gan_lab.data.cache.files import Recipe, load_files
from gan_lab.data.decoding.fit import resize
from gan_lab.data.decoding.tree import scan
from gan_lab.data.image_set import ImageSet
from gan_lab.data.sets.options import check_options, check_split, counted
from gan_lab.data.sets.places import locate

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
TOTALS = {"train": 50_000, "test": 10_000}
BATCHES = {"train": [f"data_batch_{n}" for n in range(1, 6)], "test": ["test_batch"]}
FOLDER, ARCHIVE = "cifar-10-batches-py", "cifar-10-python.tar.gz"


class _Source(NamedTuple):
    batches: list[Path]  # files, or torchvision's archive
    tree: Path | None  # folder or zip archive of images


class Cifar10:
    """Ten kinds of things, 32 x 32 colour.

    Learning Multiple Layers of Features from Tiny Images (Krizhevsky, 2009). Read from
    torchvision's `<root>/cifar-10-batches-py/` or its archive, or from `{train,test}/<class>/`
    folders of images, plain or in a `cifar10*.zip`, in the root, in `<root>/cifar10/` or in a
    folder below it. A part of the set will do.

    Args:
        root: torchvision's root, or the set's own folder or archive; None looks in GAN_LAB_DATA,
            ./data and the downloads, then downloads.
        resolution: 32 is raw, any other resizes.
        flip: mirror half of the images.
        on_error: what a bad image file does: "raise" stops, "skip" leaves it out and counts it.
    """

    name = "cifar10"
    channels = 3
    splits: tuple[str, ...] = ("train", "test")
    classes = CLASSES

    def __init__(
        self,
        *,
        root: str | None = None,
        resolution: int = 32,
        flip: bool = True,
        on_error: str = "raise",
    ) -> None:
        check_options(resolution=resolution, on_error=on_error)
        self.root = root
        self.resolution = resolution
        self.flip = flip
        self.on_error = on_error

    def load(self, split: str) -> ImageSet:
        """Read a split, from the cache after the first time.

        Raises:
            DataError: if the set is missing or damaged.
        """
        check_split(self.name, split, self.splits)
        source = locate(
            name=self.name,
            title="CIFAR-10",
            root=self.root,
            find=lambda place: _find(place, split),
            fetch=_fetch,
            holds=f"{FOLDER}/ or cifar10/",
            page="the CIFAR-10 page of the University of Toronto (the Python version)",
        )
        if source.tree is None:
            return self._from_batches(source.batches, split)
        return self._from_tree(source.tree, split)

    def _from_batches(self, files: list[Path], split: str) -> ImageSet:
        parts = len(files) if files[0].name != ARCHIVE else len(BATCHES[split])
        images = load_array(
            name=self.name,
            split=split,
            files=files,
            count=10_000 * parts,
            channels=3,
            resolution=self.resolution,
            classes=CLASSES,
            notes=enlarged_note(32, self.resolution),
            read=lambda: _read_batches(files, split, self.resolution),
        )
        part = counted(len(images), TOTALS[split], owner="CIFAR-10", split=split)
        return replace(images, notes=(*part, *images.notes))

    def _from_tree(self, root: Path, split: str) -> ImageSet:
        with scan(root) as tree:
            entries, labels = [], []
            for entry in tree.entries:
                place = PurePosixPath(entry.name).parts[-3:-1]
                if place[:1] == (split,) and place[1] in CLASSES:
                    entries.append(entry)
                    labels.append(CLASSES.index(place[1]))
            if not entries:
                raise DataError(
                    f"data={self.name}: '{root}' holds no images in {split}/<class>/ folders."
                )
            return load_files(
                name=self.name,
                split=split,
                tree=tree,
                entries=entries,
                labels=np.array(labels, np.int64),
                classes=CLASSES,
                recipe=Recipe(self.resolution, 3, self.on_error),
                notes=counted(len(entries), TOTALS[split], owner="CIFAR-10", split=split),
            )


def _find(place: Path, split: str) -> _Source | None:
    batches = _find_batches(place, split)
    tree = None if batches else _find_tree(place)
    return _Source(batches, tree) if batches or tree else None


def _find_batches(place: Path, split: str) -> list[Path]:
    """Return the batch files of a split that are there, or torchvision's archive, or nothing."""
    for folder in (place / FOLDER, place, place / "cifar10" / FOLDER):
        files = [folder / name for name in BATCHES[split] if (folder / name).is_file()]
        if files:
            return files
    for archive in (place / ARCHIVE, place):
        if archive.name == ARCHIVE and archive.is_file():
            return [archive]
    return []


def _find_tree(place: Path) -> Path | None:
    """Return a folder or zip archive with train/<class>/ or test/<class>/ folders of images."""
    if place.is_file():
        return place if place.suffix.lower() == ".zip" else None
    for folder in (place, place / "cifar10", place / "CIFAR10"):
        if not folder.is_dir():
            continue
        for root in (folder, *sorted(folder.glob("cifar*10*"))):
            if any((root / split / CLASSES[0]).is_dir() for split in TOTALS):
                return root
        archives = sorted(folder.glob("cifar*10*.zip"))
        if archives:
            return archives[0]
    return None


def _fetch(folder: Path) -> None:
    from torchvision.datasets import CIFAR10

    CIFAR10(str(folder), download=True)


def _read_batches(files: list[Path], split: str, resolution: int) -> tuple[Tensor, np.ndarray]:
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
                member = archive.extractfile(f"{FOLDER}/{name}")
                if member is not None:
                    yield files[0] / name, member.read()
    except (tarfile.TarError, KeyError, EOFError, OSError) as error:
        raise DataError(
            f"data=cifar10: '{files[0]}' is truncated or damaged ({error}); get it again."
        ) from error


class _BatchUnpickler(pickle.Unpickler):
    """Reads arrays, lists and strings only: a pickle from elsewhere could run any code."""

    def find_class(self, module: str, name: str) -> Any:
        if name == "_reconstruct" and module.startswith("numpy"):
            return np.empty(0).__reduce__()[0]
        if (module, name) in {("numpy", "ndarray"), ("numpy", "dtype")}:
            return getattr(np, name)
        if (module, name) == ("_codecs", "encode"):
            import _codecs

            return _codecs.encode
        raise pickle.UnpicklingError(f"it names {module}.{name}")
