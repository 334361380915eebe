"""Damages a cache of images and a file of statistics in many ways and opens them again; prints what happened.

python scripts/checks/damage_data.py

For each file 100 truncations, 200 single flipped bits at random places, 50 zeroed pages. Each must be found, said and
mended, or everything that was opened must equal what was written.
"""

from __future__ import annotations

import logging
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from damaging import damages, numbers
from PIL import Image
from states import equal
from torch import Tensor

from gan_lab.data.image_set import ImageSet
from gan_lab.data.sets.folder import ImageFolder
from gan_lab.metrics.extractor import Extractor
from gan_lab.metrics.statistics import statistics_of_reals


class Rows(Extractor):
    """The means of the rows as features: any numbers do here."""

    name, dim, resize, weights, sha256 = "rows", 16, "none", "none", "0"

    def forward(self, images: Tensor) -> Tensor:
        """Return features (N, 16)."""
        return images.float().mean(dim=(1, 3))


class Sentences(logging.Handler):
    """Remembers what was said about damage."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.damage = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count sentences about damage."""
        text = record.getMessage()
        self.damage += "cannot be used" in text or "are damaged" in text


def main() -> None:
    """Make both, damage them, print the table; the exit code is 1 if any damage got through."""
    options = numbers(__doc__.splitlines()[0])
    said = Sentences()
    logging.getLogger("gan_lab").addHandler(said)
    logging.getLogger("gan_lab").setLevel(logging.INFO)
    with tempfile.TemporaryDirectory() as name:
        os.environ["GAN_LAB_CACHE"] = f"{name}/cache"
        photos = make_photos(Path(name) / "photos")
        draw = random.Random(options.seed)
        print(f"Places are drawn from seed {options.seed}.\n")
        print("| file | bytes | damage | found and mended | harmless: all equal | wrong |")
        print("|---|---|---|---|---|---|")
        wrong = 0
        for file, use in files(photos, Path(name) / "cache").items():
            whole, expected = file.read_bytes(), use()
            for kind, damaged in damages(whole, options, draw).items():
                found = Counter(outcome(file, content, use, expected, said) for content in damaged)
                wrong += found["wrong"]
                shown = [found[word] for word in ("mended", "equal", "wrong")]
                row = [file.name, f"{len(whole):,}", f"{sum(found.values())} {kind}", *shown]
                print(f"| {' | '.join(map(str, row))} |", flush=True)
    sys.exit(1 if wrong else 0)


def make_photos(folder: Path) -> Path:
    """Forty noisy pictures in two classes."""
    draw = random.Random(0)
    for number in range(40):
        path = folder / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.frombytes("RGB", (16, 16), draw.randbytes(768)).save(path)
    return folder


def files(photos: Path, cache: Path) -> dict[Path, Callable[[], Any]]:
    """The files on disk, each with what opens it anew and returns all that it holds."""

    def images() -> ImageSet:
        return ImageFolder(root=str(photos), resolution=16).load("train")

    def content() -> Any:
        found = images()
        return found.images.clone(), found.labels.clone(), found.classes, found.fingerprint  # type: ignore[union-attr]

    def statistics() -> Any:
        reals = images()
        return vars(
            statistics_of_reals(
                reals, Rows(torch.device("cpu")), num_reals=None, keep=10, batch_size=8
            )
        )

    content(), statistics()
    (folder,) = [path for path in (cache / "images").iterdir() if path.is_dir()]
    (sums,) = (cache / "statistics").iterdir()
    pictures = {folder / name: content for name in ("images.npy", "labels.npy", "meta.json")}
    return {**pictures, sums: statistics}


def outcome(
    file: Path, damaged: bytes, use: Callable[[], Any], expected: Any, said: Sentences
) -> str:
    """Put the damaged content in the file's place and open it; the file is whole again afterwards."""
    whole = file.read_bytes()
    file.unlink()  # what is mapped from the old one stays as it is
    file.write_bytes(damaged)
    said.damage = 0
    try:
        same = equal(use(), expected)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        same = False
    told = said.damage > 0
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(whole)
    return ("mended" if told else "equal") if same else "wrong"


if __name__ == "__main__":
    main()
