"""CelebA, aligned and cropped, whole or in part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, NamedTuple

from torch import Tensor

from gan_lab.common.errors import DataError
from gan_lab.common.ranges import one_of
from gan_lab.data.cache.files import Files, Recipe, load_files
from gan_lab.data.decoding.fit import CROPS
from gan_lab.data.decoding.tree import Tree, scan
from gan_lab.data.image_set import About, ImageSet
from gan_lab.data.sets.celeba_labels import LIST, chosen_attributes, classes_of, read_labels
from gan_lab.data.sets.options import check_split, counted
from gan_lab.data.sets.photos import Photos
from gan_lab.data.sets.places import Wanted, locate

IMAGES, PARTITION = "img_align_celeba", "list_eval_partition.txt"
TOTALS = {"train": 162_770, "valid": 19_867, "test": 19_962, "all": 202_599}
WANTED = Wanted(
    name="celeba",
    title="CelebA",
    holds=f"celeba/{IMAGES}/",
    page="the CelebA page of the Chinese University of Hong Kong (img_align_celeba.zip)",
)
SPLIT_NUMBERS = {"0": "train", "1": "valid", "2": "test"}


class _Source(NamedTuple):
    images: Path  # folder or zip archive
    partition: Path | None


@dataclass(kw_only=True, eq=False)
class Celeba(Photos):
    """Faces of celebrities, 178 x 218, cropped to the centre 178 x 178 and resized.

    Deep Learning Face Attributes in the Wild, arXiv:1411.7766. Read from torchvision's layout,
    `<root>/celeba/img_align_celeba/` (or its `.zip`) with `list_eval_partition.txt`; without the
    list the official ranges of numbers tell the split. torchvision's own class refuses a part of
    the set and needs lists that images have no use for. Labels are attributes from list_attr_celeba.txt beside the
    images, as many as are asked for.

    Args:
        root: torchvision's root, the set's own folder, its folder of images or its archive; None
            looks in GAN_LAB_DATA, ./data and the downloads, then downloads.
        resolution: side of the images; above 178 they are enlarged.
        crop: "center" is the usual square of 178, "fit" adds white beside the whole image, "none" squeezes it.
        flip: mirror half of the images.
        on_error: what a bad file does: "raise" stops, "skip" leaves it out and counts it.
        max_pixels: of one image, before it is resized; a larger one is a bad file.
        labels: attributes that are labels: one name gives two classes, several give a label of 0s and 1s; None none.
    """

    name: ClassVar[str] = "celeba"
    splits: ClassVar[tuple[str, ...]] = ("train", "valid", "test", "all")

    crop: str = "center"
    labels: str | tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("data.crop", self.crop, CROPS)
        self.attributes = chosen_attributes(self.labels)
        self.classes = classes_of(self.attributes)

    @property
    def recipe(self) -> Recipe:
        """What is done to every file."""
        # All are 178 x 218, and the centre of them is what papers take.
        return replace(super().recipe, crop=self.crop, tell_crop=self.crop != "center")

    def load(self, split: str) -> ImageSet:
        """Read a split, from the cache after the first time.

        Raises:
            DataError: if the set or the split is missing, or a file is bad.
        """
        check_split(self.name, split, self.splits)
        source = locate(WANTED, self.root, _find, _fetch)
        splits = {} if source.partition is None else _read_partition(source.partition)

        def wanted(name: str) -> bool:
            file = name.rpartition("/")[2]
            found = splits[file] if file in splits else _official_split(file)
            return found is not None and split in ("all", found)

        with scan(source.images, wanted, on_error=self.on_error) as tree:
            if not tree.entries:
                raise DataError(
                    f"data={self.name}: '{source.images}' holds no {split} image of CelebA; "
                    "choose another split or complete the folder."
                )
            here = counted(len(tree.entries), TOTALS[split], owner="CelebA", split=split)
            about = About(self.name, split, self.classes, (*here, *tree.left_out()))
            labels = self._labels(source.images, tree)
            return load_files(about, Files(tree, tree.entries, None, self.recipe, labels))

    def _labels(self, images: Path, tree: Tree) -> Tensor | None:
        if not self.attributes:
            return None
        files = [entry.name.rpartition("/")[2] for entry in tree.entries]
        return read_labels(images.absolute().parent / LIST, self.attributes, files=files)


def _find(place: Path) -> _Source | None:
    """Look for torchvision's layout, then for the set's own folder, images or archive."""
    for folder in (place / "celeba", place):
        for images in (folder / IMAGES, folder / f"{IMAGES}.zip"):
            if images.exists():
                return _source(images)
    if place.name == IMAGES and place.is_dir():
        return _source(place)
    if place.suffix.lower() == ".zip" and place.is_file():
        return _source(place)
    return None


def _source(images: Path) -> _Source:
    partition = images.absolute().parent / PARTITION
    return _Source(images, partition if partition.is_file() else None)


def _read_partition(path: Path) -> dict[str, str]:
    """Return the split of every file in the list."""
    try:
        rows = [line.split() for line in path.read_text().splitlines() if line.strip()]
        return {name: SPLIT_NUMBERS[number] for name, number in rows}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"data=celeba: '{path}' is not CelebA's list of splits ({error!r}); "
            "get it again or remove it."
        ) from error


def _official_split(file: str) -> str | None:
    """Return the split by CelebA's fixed ranges; None for a file that is not numbered."""
    stem = file.partition(".")[0]
    if not stem.isdecimal() or not 1 <= int(stem) <= TOTALS["all"]:
        return None
    number = int(stem)
    if number <= TOTALS["train"]:
        return "train"
    return "valid" if number <= TOTALS["train"] + TOTALS["valid"] else "test"


def _fetch(folder: Path) -> None:
    from torchvision.datasets import CelebA

    CelebA(str(folder), download=True)
