"""CIFAR-10, from torchvision's batches or from a tree of images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from gan_lab.common.errors import DataError
from gan_lab.data.cache.arrays import enlarged_note, load_array
from gan_lab.data.cache.files import Files, load_files
from gan_lab.data.decoding.tree import Tree, scan
from gan_lab.data.image_set import About, ImageSet
from gan_lab.data.sets.cifar_batches import ARCHIVE, BATCHES, FOLDER, read_batches
from gan_lab.data.sets.options import check_split, counted
from gan_lab.data.sets.photos import Photos
from gan_lab.data.sets.places import Wanted, locate
from gan_lab.data.sets.splits import by_folders

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
WANTED = Wanted(
    name="cifar10",
    title="CIFAR-10",
    holds=f"{FOLDER}/ or cifar10/",
    page="the CIFAR-10 page of the University of Toronto (the Python version)",
)


class _Source(NamedTuple):
    batches: list[Path]  # files, or torchvision's archive
    tree: Path | None  # folder or zip archive of images


@dataclass(kw_only=True, eq=False)
class Cifar10(Photos):
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
        max_pixels: of one image, before it is resized; a larger one is a bad file.
    """

    name: ClassVar[str] = "cifar10"
    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    classes: ClassVar[tuple[str, ...]] = CLASSES

    resolution: int = 32

    def load(self, split: str) -> ImageSet:
        """Read a split, from the cache after the first time.

        Raises:
            DataError: if the set is missing or damaged.
        """
        check_split(self.name, split, self.splits)
        source = locate(WANTED, self.root, lambda place: _find(place, split), _fetch)
        if source.tree is None:
            return self._from_batches(source.batches, split)
        return self._from_tree(source.tree, split)

    def _from_batches(self, files: list[Path], split: str) -> ImageSet:
        parts = len(files) if files[0].name != ARCHIVE else len(BATCHES[split])
        side = self.resolution
        images = load_array(
            About(self.name, split, CLASSES, enlarged_note(32, side)),
            files,
            shape=(10_000 * parts, self.channels, side, side),
            read=lambda: read_batches(files, split, side),
        )
        part = counted(len(images), TOTALS[split], owner="CIFAR-10", split=split)
        return replace(images, notes=(*part, *images.notes))

    def _from_tree(self, root: Path, split: str) -> ImageSet:
        with scan(root, on_error=self.on_error) as tree:
            chosen, told = self._chosen(tree, split)
            here = counted(len(chosen), TOTALS[split], owner="CIFAR-10", split=split)
            about = About(self.name, split, CLASSES, (*here, *told, *tree.left_out()))
            entries = [tree.entries[index] for index in chosen]
            labels = np.array(list(chosen.values()), np.int64)
            return load_files(about, Files(tree, entries, labels, self.recipe))

    def _chosen(self, tree: Tree, split: str) -> tuple[dict[int, int], tuple[str, ...]]:
        """Return each image's label by its place in the tree, and what is to be said of the rest."""
        chosen: dict[int, int] = {}
        strange = []
        for index, name in self._below(tree, split):
            title, slash, _ = name.partition("/")
            if slash and title in CLASSES:
                chosen[index] = CLASSES.index(title)
            else:
                strange.append(name)
        if not chosen:
            raise DataError(
                f"data={self.name}: '{tree.root}' holds no images in {split}/<class>/ folders."
            )
        if not strange:
            return chosen, ()
        images = "image lies" if len(strange) == 1 else "images lie"
        return chosen, (
            f"{len(strange):,} {images} in no folder of CIFAR-10's classes, such as '{strange[0]}', "
            "and are left out.",
        )

    def _below(self, tree: Tree, split: str) -> list[tuple[int, str]]:
        """Return the split's images: place in the tree and name below the folder of the split."""
        names = [entry.name for entry in tree.entries]
        if not names:
            return []
        owner = f"data={self.name}"
        found = by_folders(names, root=tree.root, wanted=split, owner=owner)
        pairs = zip(found.splits, found.below, strict=True)
        return [(index, below) for index, (its, below) in enumerate(pairs) if its == split]


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
