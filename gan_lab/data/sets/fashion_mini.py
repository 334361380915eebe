"""The set that comes with the package: 12,000 real images of Fashion-MNIST, no download."""

from __future__ import annotations

import functools
import hashlib
import io
import lzma
from pathlib import Path

import numpy as np
import torch

from gan_lab.common.errors import DataError
from gan_lab.data.cache.arrays import enlarged_note
from gan_lab.data.decoding.fit import fit_digits
from gan_lab.data.facts import Facts, image_facts
from gan_lab.data.image_set import ImageSet
from gan_lab.data.sets.mnist import FASHION_CLASSES
from gan_lab.data.sets.options import check_options, check_split

ASSETS = Path(__file__).resolve().parents[2] / "assets"


class FashionMini:
    """Pictures of clothing, 28 x 28 grey: 1,000 of each kind to train, 200 of each held out.

    A part of Fashion-MNIST (arXiv:1708.07747), balanced and drawn once by
    `scripts/make_fashion_mini.py`; the training images are from its official training split, the
    others from its test split.

    Args:
        resolution: 28 is raw, 32 adds a black frame of two pixels, any other resizes the framed
            images.
        flip: mirror half of the images.
    """

    name = "fashion_mini"
    channels = 1
    splits: tuple[str, ...] = ("train", "test")
    classes = FASHION_CLASSES

    def __init__(self, *, resolution: int = 32, flip: bool = False) -> None:
        check_options(resolution=resolution)
        self.resolution = resolution
        self.flip = flip

    @property
    def facts(self) -> Facts:
        """Resolution, channels and classes."""
        return image_facts(
            resolution=self.resolution, channels=self.channels, classes=lambda: self.classes
        )

    def load(self, split: str) -> ImageSet:
        """Unpack a split; it is small, so it is not cached."""
        check_split(self.name, split, self.splits)
        stored = _stored(split)
        pixels = torch.from_numpy(stored["images"].copy())[:, None]
        images = fit_digits(pixels, self.resolution)
        labels = torch.from_numpy(stored["labels"].astype(np.int64))
        digest = hashlib.sha256(repr(tuple(images.shape[1:])).encode())
        digest.update(images.numpy().tobytes())
        digest.update(labels.numpy().tobytes())
        return ImageSet(
            name=self.name,
            split=split,
            images=images,
            labels=labels,
            classes=self.classes,
            fingerprint=digest.hexdigest()[:16],
            notes=enlarged_note(32, self.resolution),
        )


def fashion_mini_indices(split: str) -> np.ndarray:
    """Return the positions of a split's images in Fashion-MNIST's official split, int64, (N,).

    Whoever trains something that judges generated images uses the others.
    """
    check_split(FashionMini.name, split, FashionMini.splits)
    return _stored(split)["indices"].astype(np.int64)


@functools.cache
def _stored(split: str) -> dict[str, np.ndarray]:
    """Unpack "images" uint8 (N, 28, 28), "labels" (N,) and "indices" (N,)."""
    path = ASSETS / f"fashion_mini_{split}.npz.xz"
    try:
        with np.load(io.BytesIO(lzma.decompress(path.read_bytes()))) as arrays:
            return dict(arrays)
    except (OSError, lzma.LZMAError, EOFError, ValueError) as error:
        raise DataError(
            f"data=fashion_mini: '{path}' is missing or damaged ({error}); install gan_lab again."
        ) from error
