"""Two folders of images that are not paired, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from gan_lab.common.errors import DataError
from gan_lab.common.paths import user_path
from gan_lab.common.ranges import one_of
from gan_lab.data.cache.files import Files, load_files
from gan_lab.data.decoding.fit import CROPS
from gan_lab.data.decoding.tree import scan
from gan_lab.data.facts import Facts, image_facts
from gan_lab.data.image_set import About, ImageSet
from gan_lab.data.sets.options import check_jitter, check_split
from gan_lab.data.sets.photos import Photos
from gan_lab.data.sets.splits import role_of
from gan_lab.data.table import SideBySide

DOMAINS = ("a", "b")


@dataclass(kw_only=True, eq=False)
class Unpaired(Photos):
    """Images of two kinds, A and B, in the folders of CycleGAN (arXiv:1703.10593): trainA, trainB, testA, testB.

    A batch holds `images_a` and `images_b`; each kind is shuffled in an order of its own.

    Args:
        root: holds the folders, or zip archives of these names, in any case of letters.
        resolution: side of the images.
        crop: what is done to images that are not square: "center" | "fit" (white beside) | "none" (squeezed).
        flip: mirror half of the images.
        jitter: how many times larger they are made in training, to be cut to `resolution` again at random places.
        on_error: what a bad file does: "raise" stops, "skip" leaves it out and counts it.
        max_pixels: of one image, before it is resized; a larger one is a bad file.
    """

    name: ClassVar[str] = "unpaired"
    splits: ClassVar[tuple[str, ...]] = ("train", "test")

    crop: str = "center"
    jitter: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_jitter(self.jitter)
        one_of("data.crop", self.crop, CROPS)

    @property
    def facts(self) -> Facts:
        """Resolution, channels and columns."""
        return image_facts(
            resolution=self.resolution,
            channels=self.channels,
            columns=tuple(f"images_{domain}" for domain in DOMAINS),
        )

    def load(self, split: str) -> SideBySide:
        """Read both kinds of a split, from the cache after the first time.

        Raises:
            DataError: if a folder is missing or empty, or a file is bad.
        """
        check_split(self.name, split, self.splits)
        root = root_of(self.name, self.root, "folders trainA/, trainB/, testA/ and testB/")
        tables = {domain: self._load(root, split, domain) for domain in DOMAINS}
        return SideBySide(self.name, split, tables)

    def _load(self, root: Path, split: str, domain: str) -> ImageSet:
        folder = _folder(root, split, domain)
        with scan(folder, on_error=self.on_error) as tree:
            if not tree.entries:
                raise DataError(f"data={self.name}: '{folder}' holds no jpg, png or webp image.")
            about = About(self.name, f"{split}{domain.upper()}", notes=tree.left_out())
            return load_files(about, Files(tree, tree.entries, None, self.cropped(self.crop)))


def root_of(name: str, root: str | None, holds: str) -> Path:
    """The folder that data.root names.

    Raises:
        DataError: if it is not set or does not exist.
    """
    if root is None:
        raise DataError(f"data={name}: data.root is not set; point it at a folder with {holds}.")
    found = user_path(root, "data.root")
    if not found.exists():
        raise DataError(
            f"data={name}: '{root}' does not exist (looked for '{found.absolute()}'); "
            f"point data.root at a folder with {holds}."
        )
    return found


def _folder(root: Path, split: str, domain: str) -> Path:
    """The folder of one kind, or its archive."""
    try:
        names = sorted(path.name for path in root.iterdir())
    except OSError as error:
        raise DataError(f"data=unpaired: '{root}' cannot be listed ({error.strerror}).") from None
    for name in names:
        role = role_of(name)
        if (role.split, role.rest) == (split, domain):
            return root / name
    shown = ", ".join(names[:6]) or "nothing"
    raise DataError(
        f"data=unpaired: there is no folder {split}{domain.upper()} in '{root}' (there is {shown}); "
        "name the folders trainA, trainB, testA and testB."
    )
