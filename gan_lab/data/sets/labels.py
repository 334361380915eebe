"""Photographs with a map of classes each: label maps, as semantic synthesis and segmentation need them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from gan_lab.common.class_maps import UNLABELLED
from gan_lab.common.errors import ConfigError, DataError
from gan_lab.common.ranges import in_range, one_of
from gan_lab.data.cache.files import Recipe
from gan_lab.data.columns import ClassMaps
from gan_lab.data.decoding.fit import CROPS
from gan_lab.data.decoding.maps import MOST, MapRules
from gan_lab.data.decoding.tree import scan
from gan_lab.data.facts import Facts
from gan_lab.data.image_set import About, ImageSet
from gan_lab.data.sets.options import check_jitter, check_split
from gan_lab.data.sets.partners import Wanted, find_partners, load_partners, places_of
from gan_lab.data.sets.photos import Photos
from gan_lab.data.sets.unpaired import root_of

NOT_SET = (
    "data=labels: data.classes is not set; give the number of classes in the maps, or their names."
)


@dataclass(kw_only=True, eq=False)
class Labels(Photos):
    """Two folders of a split with files of equal names: photographs, and PNG maps of their classes.

    A batch holds `images` (N, 3, H, W) in [-1, 1], and `partner`, uint8 (N, 1, H, W): the number of a class at each
    pixel, 255 where none is known. Numbers are never mixed: maps are resized to the nearest. Both are mirrored and cut
    together. Folders lie in a layout of `Pairs`.

    Args:
        root: the folder or archive; without folders train/ and test/ all of it is for training.
        resolution: side of the images.
        classes: number of classes, or their names in order; must be set. Maps hold numbers from 0 on.
        images: the kind of the photographs' folder: "img" for train_img/ and test_img/, as pix2pixHD has them.
        images_end: what their names end in before the suffix, where maps' names end otherwise: "_leftImg8bit" of
            Cityscapes. It is cut off, and files that end otherwise are left out.
        maps: the kind of the maps' folder.
        maps_end: likewise of the maps: "_gtFine_labelTrainIds".
        unlabelled: the number of pixels without a class; None where each has one.
        crop: what is done to what is not square: "center" | "fit" (white beside, unlabelled) | "none" (squeezed).
        flip: mirror half of the pairs.
        jitter: how many times larger they are made in training, to be cut to `resolution` again at random places.
        on_error: what a bad file, or one without a partner, does: "raise" stops, "skip" leaves it out and counts it.
        max_pixels: of one file, before it is resized; a larger one is bad.
    """

    name: ClassVar[str] = "labels"
    splits: ClassVar[tuple[str, ...]] = ("train", "test")

    classes: int | tuple[str, ...] | None = None
    images: str = "img"
    images_end: str = ""
    maps: str = "label"
    maps_end: str = ""
    unlabelled: int | None = UNLABELLED
    crop: str = "none"
    jitter: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_jitter(self.jitter)
        one_of("data.crop", self.crop, CROPS)
        if self.unlabelled is not None:
            in_range("data.unlabelled", self.unlabelled, low=0, high=65535)
        if self.classes is not None:
            count = self.classes if isinstance(self.classes, int) else len(self.classes)
            in_range("data.classes", count, low=2, high=MOST)
            if len(set(_names(self.classes))) < count:
                raise ConfigError("data.classes: two classes have the same name; rename one.")

    @property
    def facts(self) -> Facts:
        """Resolution, channels, columns, and what the maps hold.

        `map_classes` is the number of classes, and of planes that a map becomes: `source_channels`. There is no
        `label_dim`, which would be of one class for each image.
        """
        known = {
            "resolution": self.resolution,
            "channels": self.channels,
            "columns": ("images", "partner"),
        }
        if self.classes is None:
            why = ConfigError(NOT_SET)
            return Facts(known, untold={"map_classes": why, "source_channels": why})
        names = _names(self.classes)
        return Facts(
            known | {"classes": names, "map_classes": len(names), "source_channels": len(names)}
        )

    def load(self, split: str) -> ImageSet:
        """Read a split, from the cache after the first time.

        Raises:
            ConfigError: if the number of classes is not set.
            DataError: if a folder is missing, a file has no partner or is bad.
        """
        check_split(self.name, split, self.splits)
        if self.classes is None:
            raise ConfigError(NOT_SET)
        rules = MapRules(len(_names(self.classes)), self.unlabelled)
        holds = "folders train_img/ and train_label/ of photographs and of their class maps"
        root = root_of(self.name, self.root, holds)
        photographs = self.cropped(self.crop)
        maps = Recipe(
            self.resolution,
            1,
            self.on_error,
            self.max_pixels,
            self.crop,
            tell_crop=False,
            maps=rules,
        )
        skip = self.on_error == "skip"
        ends = (self.images_end, self.maps_end)
        wanted = Wanted(f"data={self.name}", split, self.images, self.maps, "data.maps", skip, ends)
        with scan(root, on_error=self.on_error) as tree:
            if not tree.entries:
                raise DataError(f"data={self.name}: '{root}' holds no jpg, png or webp image.")
            found = find_partners(tree, places_of([one.name for one in tree.entries]), wanted)
            about = About(self.name, split, notes=tree.left_out())
            images = load_partners(about, tree, found, (photographs, maps), ClassMaps)
        told = f"Each pixel has one of {rules.classes} classes."
        return replace(images, notes=(told, *images.notes))


def _names(classes: int | Sequence[str]) -> tuple[str, ...]:
    """The classes' names; numbers where there are none."""
    if isinstance(classes, int):
        return tuple(str(number) for number in range(classes))
    return tuple(str(name) for name in classes)
