"""Any tree of images, or a zip archive of one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gan_lab.common.errors import ConfigError, DataError
from gan_lab.common.paths import user_path
from gan_lab.common.ranges import in_range, one_of
from gan_lab.data.cache.files import Recipe, load_files
from gan_lab.data.decoding.tree import Entry, Tree, scan
from gan_lab.data.image_set import ImageSet
from gan_lab.data.sets.options import check_options, check_split

TEST_FOLDERS = ("test", "val", "valid", "validation")


class ImageFolder:
    """All jpg, png and webp in a folder or zip archive, cropped to the centre square and resized.

    Labels are the sub-folders: once the folders that all images share are taken off, the first one
    that remains. With an image outside of any, or one sub-folder only, there are no labels.

    Folders train/ and test/ (or val/, valid/, validation/) side by side are taken as splits;
    otherwise all images are for training, less the share `holdout`, drawn by a hash of the name so
    that adding an image moves no other.

    Args:
        root: the folder or archive; archives inside a folder are read too.
        resolution: side of the images; smaller ones are enlarged and counted.
        channels: 3 for colour, 1 for luminance.
        flip: mirror half of the images.
        holdout: share of the images kept for the split "test", in [0, 1).
        on_error: what a bad file does: "raise" stops, "skip" leaves it out and counts it.
    """

    name = "image_folder"
    splits: tuple[str, ...] = ("train", "test")

    def __init__(
        self,
        *,
        root: str | None = None,
        resolution: int = 64,
        channels: int = 3,
        flip: bool = True,
        holdout: float = 0.0,
        on_error: str = "raise",
    ) -> None:
        check_options(resolution=resolution, on_error=on_error)
        one_of("data.channels", str(channels), ("1", "3"))
        in_range("data.holdout", holdout, low=0.0, below=1.0)
        self.root = root
        self.resolution = resolution
        self.channels = channels
        self.flip = flip
        self.holdout = holdout
        self.on_error = on_error

    def load(self, split: str) -> ImageSet:
        """Read a split, from the cache after the first time.

        Raises:
            DataError: if there are no images, no such split, or a file is bad.
        """
        check_split(self.name, split, self.splits)
        with scan(self._found()) as tree:
            if not tree.entries:
                others = " ".join(tree.left_out())
                raise DataError(
                    f"data={self.name}: no jpg, png or webp image in '{self.root}'; "
                    "point data.root at a folder or zip archive of images."
                    f"{' ' + others if others else ''}"
                )
            return self._load(tree, split)

    def _found(self) -> Path:
        if self.root is None:
            raise DataError(
                f"data={self.name}: data.root is not set; "
                "point it at a folder or zip archive of images."
            )
        root = user_path(self.root, "data.root")
        if not root.exists():
            raise DataError(
                f"data={self.name}: '{self.root}' does not exist (looked for '{root.absolute()}'); "
                "point data.root at a folder or zip archive of images."
            )
        return root

    def _load(self, tree: Tree, split: str) -> ImageSet:
        below = _without_shared([entry.name for entry in tree.entries])
        splits, below = self._splits(below)
        names, labels = _labels(below)
        chosen = [index for index, found in enumerate(splits) if found == split]
        if not chosen:
            raise DataError(
                f"data={self.name}: there is no {split} split in '{self.root}'; "
                "set data.holdout=0.1 to keep a tenth of the images for it, or sort them into "
                "folders train/ and test/."
            )
        entries: Sequence[Entry] = [tree.entries[index] for index in chosen]
        return load_files(
            name=self.name,
            split=split,
            tree=tree,
            entries=entries,
            labels=None if labels is None else labels[chosen],
            classes=names,
            recipe=Recipe(self.resolution, self.channels, self.on_error),
            notes=tree.left_out(),
        )

    def _splits(self, below: list[str]) -> tuple[list[str], list[str]]:
        """Return each image's split, and the names without the folders of the splits."""
        tops = {name.split("/")[0] if "/" in name else "" for name in below}
        if "train" in tops and len(tops) > 1 and tops <= {"train", *TEST_FOLDERS}:
            if self.holdout:
                raise ConfigError(
                    f"data.holdout={self.holdout}: '{self.root}' has folders for its splits "
                    f"({', '.join(sorted(tops))}); set data.holdout=0."
                )
            splits = ["train" if name.startswith("train/") else "test" for name in below]
            return splits, [name.split("/", 1)[1] for name in below]
        splits = ["test" if _share(name) < self.holdout else "train" for name in below]
        return splits, below


def _without_shared(names: list[str]) -> list[str]:
    """Take off the folders that all names begin with."""
    folders = [name.split("/")[:-1] for name in names]
    depth = 0
    for first, last in zip(min(folders), max(folders)):  # what these two share, all share
        if first != last:
            break
        depth += 1
    return [name.split("/", depth)[-1] for name in names]


def _labels(below: list[str]) -> tuple[tuple[str, ...], np.ndarray | None]:
    """Return the names of the classes and each image's, or none where folders do not tell."""
    if any("/" not in name for name in below):
        return (), None
    found = [name.split("/")[0] for name in below]
    classes = tuple(sorted(set(found)))
    if len(classes) < 2:
        return (), None
    index = {name: number for number, name in enumerate(classes)}
    return classes, np.array([index[name] for name in found], np.int64)


def _share(name: str) -> float:
    """Return a number in [0, 1) that depends on the name alone."""
    digest = hashlib.sha256(os.fsencode(name)).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
