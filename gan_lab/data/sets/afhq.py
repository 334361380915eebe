"""Animal Faces-HQ: faces of cats, dogs and wild animals."""

from __future__ import annotations

from dataclasses import replace

from gan_lab.common.errors import DataError
from gan_lab.common.ranges import one_of
from gan_lab.data.decoding.decode import MAX_PIXELS
from gan_lab.data.decoding.tree import Tree
from gan_lab.data.sets.folder import ImageFolder
from gan_lab.data.sets.splits import Arrangement

ANIMALS = ("cat", "dog", "wild")
ALL = "all"


class Afhq(ImageFolder):
    """Faces of animals, 512 px, in folders of a split: StarGAN v2, arXiv:1912.01865, section 4 (v1 and v2 of the set).

    The folder has train/ and, for the other split, test/ (v2) or val/ (v1), each with cat/, dog/ and wild/. These
    three are the classes; one of them alone has none.

    Args:
        root: the folder or zip archive.
        resolution: side of the images.
        animal: "all", or one kind alone: "cat", "dog" or "wild".
        flip: mirror half of the images.
        on_error: what a bad file does: "raise" stops, "skip" leaves it out and counts it.
        max_pixels: of one image, before it is resized; a larger one is a bad file.
    """

    name = "afhq"
    may_merge = False

    def __init__(
        self,
        *,
        root: str | None = None,
        resolution: int = 64,
        animal: str = ALL,
        flip: bool = True,
        on_error: str = "raise",
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        one_of("data.animal", animal, (ALL, *ANIMALS))
        super().__init__(
            root=root, resolution=resolution, flip=flip, on_error=on_error, max_pixels=max_pixels
        )
        self.animal = animal

    def _arranged(self, tree: Tree, split: str) -> Arrangement:
        """Images in the folders of the animals alone; those of one kind have names without its folder."""
        found = super()._arranged(tree, split)
        wanted = ANIMALS if self.animal == ALL else (self.animal,)
        animals = [_animal(entry.name) for entry in tree.entries]
        splits = [
            where if animal in wanted else None
            for where, animal in zip(found.splits, animals, strict=True)
        ]
        if split not in splits:
            raise DataError(
                f"data={self.name}: no images of {', '.join(wanted)} for the split {split} are in '{self.root}'; point "
                "data.root at the folder that holds train/ and, for the split test, test/ or val/, with cat/, dog/ or "
                "wild/ in each."
            )
        if self.animal == ALL:
            return replace(found, splits=splits)
        # No folder below an animal is a class.
        below = [name.rpartition("/")[2] for name in found.below]
        told = f"{sum(one is not None for one in splits):,} images of {self.animal} are used."
        return replace(found, splits=splits, below=below, sentences=(*found.sentences, told))


def _animal(name: str) -> str | None:
    """The animal in whose folder an image lies; `Arrangement.below` lacks a folder that all images share."""
    folders = [part.casefold().removesuffix(".zip") for part in name.split("/")[:-1]]
    return next((part for part in folders if part in ANIMALS), None)
