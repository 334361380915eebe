"""Pairs of images: a source and its partner, in the halves of one picture or in two folders."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from gan_lab.common.errors import DataError
from gan_lab.data.cache.files import Files, load_files
from gan_lab.data.columns import Pixels
from gan_lab.data.decoding.fit import HALVES
from gan_lab.data.decoding.tree import Tree, scan
from gan_lab.data.facts import Facts, image_facts
from gan_lab.data.image_set import About, ImageSet
from gan_lab.data.sets.options import check_jitter, check_split
from gan_lab.data.sets.partners import (
    Wanted,
    find_partners,
    kinds_of,
    load_partners,
    look_like_pairs,
    places_of,
    plain,
    without,
)
from gan_lab.data.sets.photos import Photos
from gan_lab.data.sets.splits import by_folders
from gan_lab.data.sets.unpaired import root_of


@dataclass(kw_only=True, eq=False)
class Pairs(Photos):
    """Pictures with an image in each half, as pix2pix keeps its pairs (arXiv:1611.07004), or files of equal names.

    A batch holds `images` and `partner`; both are mirrored together. Files that are partners lie in two folders of a
    split, such as trainA/ and trainB/, train_label/ and train_img/ (arXiv:1711.11585), train/A/ and train/B/, or
    A/train/ and B/train/. Their suffixes may differ.

    Args:
        root: the folder or archive; without folders train/ and test/ all of it is for training.
        resolution: side of the images; each is squeezed to a square.
        images: what is learned: "left" or "right" is a half of each picture, the other half is its partner; any other
            word is the kind of a folder, such as "A" or "img".
        partner: the kind of the partners' folder; None is the only other one.
        flip: mirror half of the pairs.
        jitter: how many times larger they are made in training, to be cut to `resolution` again at random places.
        on_error: what a bad file, or one without a partner, does: "raise" stops, "skip" leaves it out and counts it.
        max_pixels: of one picture, before it is resized; a larger one is a bad file.
    """

    name: ClassVar[str] = "pairs"
    splits: ClassVar[tuple[str, ...]] = ("train", "test")

    images: str = "left"
    partner: str | None = None
    jitter: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_jitter(self.jitter)

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
        places = places_of([entry.name for entry in tree.entries])
        if plain(self.images) in kinds_of(places) or self.images not in HALVES:
            skip = self.on_error == "skip"
            owner = f"data={self.name}"
            wanted = Wanted(owner, split, self.images, self.partner, "data.partner", skip)
            about = About(self.name, split, notes=tree.left_out())
            squeezed = replace(self.recipe, crop="none", tell_crop=False)
            found = find_partners(tree, places, wanted)
            return load_partners(about, tree, found, (squeezed, squeezed), Pixels)
        if look_like_pairs(places):
            one, other = kinds_of(places)
            raise DataError(
                f"data={self.name}: '{tree.root}' has two folders of the same names, {one} and {other}; say which one "
                f"is learned, data.images={one} or data.images={other}, or put pictures that hold both images into "
                "one folder."
            )
        return self._halves(tree, split)

    def _halves(self, tree: Tree, split: str) -> ImageSet:
        """Both halves of each picture."""
        names = [entry.name for entry in tree.entries]
        owner = f"data={self.name}"
        if self.partner is not None:
            raise DataError(
                f"{owner}: data.partner={self.partner} names a folder, and data.images={self.images} halves of "
                "pictures; name the folder of images by data.images, or set data.partner=null."
            )
        arranged = by_folders(names, root=tree.root, wanted=split, owner=owner)
        entries = [
            entry
            for entry, found in zip(tree.entries, arranged.splits, strict=True)
            if found == split
        ]
        if not entries:
            raise DataError(without(owner, split, self.root))
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
