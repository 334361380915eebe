"""Turns masks in colours into maps of classes, PNG of numbers, as data=labels reads them.

    python scripts/class_maps.py pairs labels --half right
    python scripts/class_maps.py masks labels/train_label --palette colours.txt

The first takes pictures with a photograph beside a mask: of train/1.jpg it makes train_img/1.png and train_label/1.png.
The second takes masks alone, and keeps their names. A pixel gets the class of the nearest colour of the palette. Where
none is near, as at the edges in a JPEG, it gets 255, which stands for no class. A palette is the name of one below, or
a text file with a class a line: red, green, blue and a name.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}
UNLABELLED = 255
AT_ONCE = 1 << 16  # pixels whose distances to all colours are held at once
# The colours in which CelebAMask-HQ (arXiv:1907.11922) shows its classes.
CELEBAMASK = """
0 0 0 background
204 0 0 skin
76 153 0 nose
204 204 0 glasses
51 51 255 left_eye
204 0 204 right_eye
0 255 255 left_brow
255 204 204 right_brow
102 51 0 left_ear
255 0 0 right_ear
102 204 0 mouth
255 255 0 upper_lip
0 0 153 lower_lip
0 0 204 hair
255 51 153 hat
0 204 204 earring
0 51 0 necklace
255 153 51 neck
0 204 0 cloth
"""
PALETTES = {"celebamask": CELEBAMASK}


def palette_of(text: str) -> tuple[np.ndarray, list[str]]:
    """Colours, float (K, 3), and names of classes, a line each.

    Raises:
        ValueError: naming a line that is no class.
    """
    colours, names = [], []
    for line in filter(None, (one.strip() for one in text.splitlines())):
        *numbers, name = line.split(maxsplit=3)
        if len(numbers) != 3 or not all(one.isdecimal() and int(one) < 256 for one in numbers):
            raise ValueError(
                f"'{line}' is no class: give red, green and blue, 0 to 255, and a name."
            )
        colours.append([int(one) for one in numbers])
        names.append(name)
    return np.array(colours, np.float32), names


def classes_of(mask: Image.Image, colours: np.ndarray, within: float) -> Image.Image:
    """A mask's class at each pixel, the nearest colour's; `UNLABELLED` where that is farther than `within`."""
    pixels = np.asarray(mask.convert("RGB"))
    numbers = np.empty(pixels.shape[:2], np.uint8)
    rows = max(AT_ONCE // max(pixels.shape[1], 1), 1)
    for top in range(0, len(pixels), rows):  # distances of all pixels would take gigabytes
        part = pixels[top : top + rows, :, None].astype(np.float32)
        distances = np.linalg.norm(part - colours, axis=-1)
        found = distances.argmin(axis=-1)
        found[distances.min(axis=-1) > within] = UNLABELLED
        numbers[top : top + rows] = found
    return Image.fromarray(numbers)


def opened(file: Path) -> Image.Image:
    """A picture in three colours.

    Raises:
        ValueError: naming a file that is damaged or no picture.
    """
    try:
        with Image.open(file) as picture:
            return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"'{file}' cannot be read as a picture ({error}).") from error


def places(files: Sequence[Path], source: Path, half: str) -> dict[Path, Path]:
    """Where each picture's map goes, below the target: by its place below the source.

    Raises:
        ValueError: naming two pictures whose maps would have one name.
    """
    found: dict[Path, Path] = {}
    for file in files:
        name = file.relative_to(source).with_suffix(".png")
        if half != "whole":
            split = "_".join(name.parent.parts) or "train"
            name = Path(f"{split}_label", name.name)
        if name in found:
            raise ValueError(
                f"'{found[name]}' and '{file}' would both become '{name}'; rename one."
            )
        found[name] = file
    return {file: name for name, file in found.items()}


def saved(image: Image.Image, path: Path) -> None:
    """Write a PNG, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def convert(
    source: Path, target: Path, *, half: str, palette: str = CELEBAMASK, within: float = 40
) -> int:
    """Convert all pictures of a folder; returns how many there are. One that cannot be read ends it.

    Args:
        source: of the pictures.
        target: of what is made.
        half: "left" or "right" holds the mask and the other the photograph; "whole" pictures are masks.
        palette: a class a line.
        within: distance of colours, in levels, beyond which a pixel has no class.

    Raises:
        ValueError: one sentence that names a picture; before anything is written, where two would become one.
    """
    colours, _ = palette_of(palette)
    files = sorted(file for file in source.rglob("*") if file.suffix.lower() in ENDINGS)
    for file, name in places(files, source, half).items():
        picture = opened(file)
        middle, (width, height) = picture.width // 2, picture.size
        halves = {
            "left": picture.crop((0, 0, middle, height)),
            "right": picture.crop((width - middle, 0, width, height)),
        }
        mask = picture if half == "whole" else halves.pop(half)
        saved(classes_of(mask, colours, within), target / name)
        if half != "whole":
            photo = name.parent.name.removesuffix("_label") + "_img"
            saved(halves.popitem()[1], target / photo / name.name)
    return len(files)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", type=Path, help="folder of pictures")
    parser.add_argument("target", type=Path, help="folder of maps, which is made")
    parser.add_argument("--half", choices=["left", "right", "whole"], default="whole")
    parser.add_argument("--palette", default="celebamask", help="a name, or a text file")
    parser.add_argument("--within", type=float, default=40, help="levels to the nearest colour")
    given = parser.parse_args()
    try:
        text = PALETTES.get(given.palette) or Path(given.palette).read_text()
        _, names = palette_of(text)
    except (OSError, ValueError) as error:
        print(f"--palette: {error}", file=sys.stderr)
        return 2
    try:
        count = convert(
            given.source, given.target, half=given.half, palette=text, within=given.within
        )
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    if not count:
        print(f"'{given.source}' holds no picture.", file=sys.stderr)
        return 1
    print(f"{count:,} maps of {len(names)} classes are in '{given.target}': {', '.join(names)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
