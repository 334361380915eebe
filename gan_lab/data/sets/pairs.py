"""Pictures that hold two images beside each other: a source and its partner."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from gan_lab.common.errors import DataError
from gan_lab.common.ranges import one_of
from gan_lab.data.cache.files import Files, load_files
from gan_lab.data.columns import Pixels
from gan_lab.data.decoding.fit import HALVES
from gan_lab.data.decoding.tree import Tree, scan
from gan_lab.data.facts import Facts, image_facts
from gan_lab.data.image_set import About, ImageSet
from gan_lab.data.sets.options import check_jitter, check_split
from gan_lab.data.sets.photos import Photos
from gan_lab.data.sets.splits import by_folders
from gan_lab.data.sets.unpaired import root_of


@dataclass(kw_only=True, eq=False)
class Pairs(Photos):
    """Pictures with an image in each half, as pix2pix keeps its pairs (arXiv:1611.07004), in folders train/ and test/.

    A batch holds `images`, one half of each picture, and `partner`, the other; both are mirrored together.

    Args:
        root: the folder or archive; without folders train/ and test/ all of it is for training.
        resolution: side of the images; each half is squeezed to a square.
        images: which half is the image that is learned, "left" or "right"; the other is its partner.
        flip: mirror half of the pairs.
        jitter: how many times larger they are made in training, to be cut to `resolution` again at random places.
        on_error: what a bad file does: "raise" stops, "skip" leaves it out and counts it.
        max_pixels: of one picture, before it is resized; a larger one is a bad file.
    """

    name: ClassVar[str] = "pairs"
    splits: ClassVar[tuple[str, ...]] = ("train", "test")

    images: str = "left"
    jitter: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_jitter(self.jitter)
        one_of("data.images", self.images, HALVES)

    @property
    def facts(self) -> Facts:
        """Resolution, channels and columns."""
        return image_facts(
            resolution=self.resolution, channels=self.channels, columns=("images", "partner")
        )

    def load(self, split: str) -> ImageSet:
        """Read a split, from the cache after the first time.

        Raises:
            DataError: if there are no pictures, no such split, unclear splits, or a file is bad.
        """
        check_split(self.name, split, self.splits)
        root = root_of(self.name, self.root, "folders train/ and test/ of pictures")
        with scan(root, on_error=self.on_error) as tree:
            if not tree.entries:
                raise DataError(f"data={self.name}: '{root}' holds no jpg, png or webp image.")
            return self._load(tree, split)

    def _load(self, tree: Tree, split: str) -> ImageSet:
        names = [entry.name for entry in tree.entries]
        owner = f"data={self.name}"
        arranged = by_folders(names, root=tree.root, wanted=split, owner=owner)
        entries = [
            entry
            for entry, found in zip(tree.entries, arranged.splits, strict=True)
            if found == split
        ]
        if not entries:
            raise DataError(f"{owner}: there is no {split} split in '{self.root}'.")
        about = About(self.name, split, notes=(*arranged.sentences, *tree.left_out()))
        found = {
            half: load_files(about, Files(tree, entries, None, self.cropped(half)))
            for half in HALVES
        }
        images, partner = found[self.images], found[HALVES[1 - HALVES.index(self.images)]]
        if len(images) != len(partner):
            raise DataError(
                f"{owner}: a file of '{Path(tree.root)}' could be read for one half only; start again."
            )
        digest = hashlib.sha256(f"{images.fingerprint} {partner.fingerprint}".encode())
        return replace(
            images,
            beside={"partner": Pixels(partner.images)},
            fingerprint=digest.hexdigest()[:16],
        )
