"""MNIST and Fashion-MNIST, from torchvision's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan_lab.common.errors import DataError
from gan_lab.data.cache.arrays import enlarged_note, load_array
from gan_lab.data.decoding.fit import fit_digits
from gan_lab.data.decoding.idx import find_idx, idx_length, read_idx
from gan_lab.data.facts import Facts, image_facts
from gan_lab.data.image_set import About, ImageSet
from gan_lab.data.sets.options import check_options, check_split, counted
from gan_lab.data.sets.places import Wanted, locate

FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
TOTALS = {"train": 60_000, "test": 10_000}
PREFIXES = {"train": "train", "test": "t10k"}
FOLDERS = ("MNIST", "FashionMNIST")


class Mnist:
    """Handwritten digits, 28 x 28 grey.

    Files are read as torchvision keeps them, `<root>/MNIST/raw/`, unpacked or as `.gz`; the root
    may also be that folder itself. Nothing is written there.

    Args:
        root: torchvision's root; None looks in GAN_LAB_DATA, ./data and the downloads, then
            downloads.
        resolution: 28 is raw, 32 adds a black frame of two pixels, any other resizes the framed
            images.
        flip: mirror half of the images; digits have a left and a right, so not by default.
    """

    name = "mnist"
    title = "MNIST"
    folder = "MNIST"
    page = "the MNIST database of handwritten digits of Yann LeCun (the four idx .gz files)"
    channels = 1
    splits: tuple[str, ...] = ("train", "test")
    classes: tuple[str, ...] = tuple("0123456789")

    def __init__(
        self, *, root: str | None = None, resolution: int = 32, flip: bool = False
    ) -> None:
        check_options(resolution=resolution)
        self.root = root
        self.resolution = resolution
        self.flip = flip

    @property
    def facts(self) -> Facts:
        """Resolution, channels and classes."""
        return image_facts(
            resolution=self.resolution, channels=self.channels, classes=lambda: self.classes
        )

    def load(self, split: str) -> ImageSet:
        """Read a split, from the cache after the first time.

        Raises:
            DataError: if the files are missing or damaged.
        """
        check_split(self.name, split, self.splits)
        wanted = Wanted(self.name, self.title, holds=f"{self.folder}/raw/", page=self.page)
        images, labels = locate(
            wanted, self.root, lambda place: self._find(place, split), self._fetch
        )
        count, side = idx_length(images), self.resolution
        here = counted(count, TOTALS[split], owner=self.title, split=split)
        return load_array(
            About(self.name, split, self.classes, (*here, *enlarged_note(32, side))),
            (images, labels),
            shape=(count, self.channels, side, side),
            read=lambda: self._read(images, labels),
        )

    def _find(self, place: Path, split: str) -> tuple[Path, Path] | None:
        """Look in torchvision's layout below a folder, then in the folder as the set's own."""
        candidates = [place / self.folder / "raw", place / self.folder]
        # MNIST's and Fashion-MNIST's files have the same names: the other's folder is not ours.
        others = {folder for folder in FOLDERS if folder != self.folder}
        resolved = place.resolve()
        if not others & {resolved.name, resolved.parent.name}:
            candidates += [place / "raw", place]
        for folder in candidates:
            images = find_idx(folder, f"{PREFIXES[split]}-images-idx3-ubyte")
            labels = find_idx(folder, f"{PREFIXES[split]}-labels-idx1-ubyte")
            if images is not None and labels is not None:
                return images, labels
        return None

    def _fetch(self, folder: Path) -> None:
        from torchvision.datasets import MNIST

        MNIST(str(folder), download=True)

    def _read(self, image_file: Path, label_file: Path) -> tuple[Tensor, np.ndarray]:
        images, labels = read_idx(image_file), read_idx(label_file)
        if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
            raise DataError(
                f"'{image_file}' {images.shape} and '{label_file}' {labels.shape} do not belong "
                "together; get them again."
            )
        pixels = torch.from_numpy(images.copy())[:, None]
        return fit_digits(pixels, self.resolution), labels.astype(np.int64)


class FashionMnist(Mnist):
    """Pictures of clothing, 28 x 28 grey, in MNIST's format; `<root>/FashionMNIST/raw/`.

    Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms,
    arXiv:1708.07747.
    """

    name = "fashion_mnist"
    title = "Fashion-MNIST"
    folder = "FashionMNIST"
    page = "Zalando Research's repository fashion-mnist (the four idx .gz files)"
    classes = FASHION_CLASSES

    def _fetch(self, folder: Path) -> None:
        from torchvision.datasets import FashionMNIST

        FashionMNIST(str(folder), download=True)
