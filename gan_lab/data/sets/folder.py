"""Any tree of images, or a zip archive of one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from gan_lab.common.errors import ConfigError, DataError
from gan_lab.common.paths import user_path
from gan_lab.common.ranges import in_range, one_of
from gan_lab.data.cache.files import Files, Recipe, load_files
from gan_lab.data.decoding.decode import MAX_PIXELS
from gan_lab.data.decoding.fit import CROPS
from gan_lab.data.decoding.tree import Tree, scan
from gan_lab.data.facts import Facts, image_facts
from gan_lab.data.image_set import About, ImageSet
from gan_lab.data.sets.options import check_options, check_split
from gan_lab.data.sets.splits import TEST, TRAIN, Arrangement, by_folders, without_shared


class ImageFolder:
    """All jpg, png and webp in a folder or zip archive, made square and resized.

    Labels are the sub-folders: once the folders that all images share are taken off, the first one
    that remains. With an image outside of any, or one sub-folder only, there are no labels.

    Folders train/ and test/ (or val/, valid/, validation/) side by side are taken as splits, in any
    case, also as archives; what looks like splits and is not clear is refused with the choices.
    Otherwise all images are for training, less the share `holdout`, drawn by a hash of the name so
    that adding an image moves no other.

    Args:
        root: the folder or archive; archives inside a folder are read too.
        resolution: side of the images; smaller ones are enlarged and counted.
        channels: 3 for colour, 1 for luminance.
        crop: what is done to images that are not square: "center" takes the square at their centre, "fit" keeps all
            of them and adds white beside, "none" squeezes them.
        flip: mirror half of the images.
        splits: "auto" takes folders train/ and test/ as splits, "none" takes all as labels.
        holdout: share of the images kept for the split "test", in [0, 1).
        on_error: what a bad file does: "raise" stops, "skip" leaves it out and counts it.
        max_pixels: of one image, before it is resized; a larger one is a bad file.
    """

    name = "image_folder"
    may_merge: ClassVar[bool] = True  # whether there is an option `splits`
    splits: tuple[str, ...] = ("train", "test")

    def __init__(
        self,
        *,
        root: str | None = None,
        resolution: int = 64,
        channels: int = 3,
        crop: str = "center",
        flip: bool = True,
        splits: str = "auto",
        holdout: float = 0.0,
        on_error: str = "raise",
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        check_options(resolution=resolution, on_error=on_error, max_pixels=max_pixels)
        one_of("data.channels", str(channels), ("1", "3"))
        one_of("data.crop", crop, CROPS)
        one_of("data.splits", splits, ("auto", "none"))
        in_range("data.holdout", holdout, low=0.0, below=1.0)
        self.root = root
        self.resolution = resolution
        self.channels = channels
        self.flip = flip
        self.divide = splits == "auto"
        self.holdout = holdout
        self.recipe = Recipe(resolution, channels, on_error, max_pixels, crop)

    @cached_property
    def facts(self) -> Facts:
        """Resolution, channels, and the classes that the folders tell, for which they are listed."""
        return image_facts(
            resolution=self.resolution, channels=self.channels, classes=self._classes
        )

    def _classes(self) -> tuple[str, ...]:
        if self.root is None:  # loading says so
            return ()
        with scan(self._found(), on_error=self.recipe.on_error) as tree:
            if not tree.entries:  # loading says so
                return ()
            arranged = self._arranged(tree, self.splits[0])
            kept = [
                name for name, split in zip(arranged.below, arranged.splits, strict=True) if split
            ]
            return labels_of(kept)[0]

    def load(self, split: str) -> ImageSet:
        """Read a split, from the cache after the first time.

        Raises:
            DataError: if there are no images, no such split, unclear splits, or a file is bad.
        """
        check_split(self.name, split, self.splits)
        with scan(self._found(), on_error=self.recipe.on_error) as tree:
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
        arranged = self._arranged(tree, split)
        kept = [index for index, found in enumerate(arranged.splits) if found is not None]
        names, found_labels, told = labels_of([arranged.below[index] for index in kept])
        chosen = [place for place, index in enumerate(kept) if arranged.splits[index] == split]
        if not chosen:
            raise DataError(
                f"data={self.name}: there is no {split} split in '{self.root}'; "
                "set data.holdout=0.1 to keep a tenth of the images for it, or sort them into "
                "folders train/ and test/."
            )
        about = About(self.name, split, names, (*arranged.sentences, *told, *tree.left_out()))
        entries = [tree.entries[kept[place]] for place in chosen]
        labels = None if found_labels is None else found_labels[chosen]
        return load_files(about, Files(tree, entries, labels, self.recipe))

    def _arranged(self, tree: Tree, split: str) -> Arrangement:
        names = [entry.name for entry in tree.entries]
        if self.divide:
            found = by_folders(
                names, root=tree.root, wanted=split, owner=f"data={self.name}",
                may_merge=self.may_merge,
            )  # fmt: skip
            if found.divided:
                self._refuse_holdout(found)
                return found
        below, _ = without_shared(names)
        splits = [TEST if _share(name) < self.holdout else TRAIN for name in below]
        test = splits.count(TEST)
        told = f"All {len(splits):,} images are for training"
        if self.holdout:
            told = f"{len(splits) - test:,} images are for training, {test:,} are the split test"
            told += f" (data.holdout={self.holdout})"
        return Arrangement([*splits], below, (f"{told}.",), divided=False)

    def _refuse_holdout(self, found: Arrangement) -> None:
        if self.holdout:
            raise ConfigError(
                f"data.holdout={self.holdout}: '{self.root}' has folders for its splits "
                f"({found.sentences[0].rstrip('.')}); set data.holdout=0."
            )


def labels_of(
    below: Sequence[str],
) -> tuple[tuple[str, ...], np.ndarray | None, tuple[str, ...]]:
    """Return the names of the classes, each image's, or none where folders do not tell, and why."""
    loose = [name for name in below if "/" not in name]
    if loose:
        some = 0 < len(loose) < len(below)
        told = f"There are no classes: {len(loose):,} of {len(below):,} images lie in no sub-folder"
        return (), None, (f"{told}, such as '{loose[0]}'.",) if some else ()
    found = [name.split("/")[0] for name in below]
    classes = tuple(sorted(set(found)))
    if len(classes) < 2:
        return (), None, ()
    index = {name: number for number, name in enumerate(classes)}
    titles = [name[:-4] if name.lower().endswith(".zip") else name for name in classes]
    shown = tuple(titles) if len(set(titles)) == len(titles) else classes
    return shown, np.array([index[name] for name in found], np.int64), ()


def _share(name: str) -> float:
    """Return a number in [0, 1) that depends on the name alone."""
    digest = hashlib.sha256(os.fsencode(name)).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
