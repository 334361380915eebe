"""Cuts large photographs into square patches at their own resolution, as super-resolution trains on (DIV2K).

    python scripts/cut_patches.py photos patches --side 128 --step 128

Each patch is a PNG below the second folder, named by its photograph, row and column. The last row and the last column
end at the border, so that nothing is left out. Photographs that are smaller than a patch are told and left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}


def starts(length: int, side: int, step: int) -> list[int]:
    """Where patches begin on an axis, the last one at its very end; none where it is shorter than a patch."""
    if length < side:
        return []
    return sorted({*range(0, length - side + 1, step), length - side})


def patches(picture: Image.Image, side: int, step: int) -> Iterator[tuple[int, int, Image.Image]]:
    """Row, column and pixels of every patch."""
    width, height = picture.size
    for top in starts(height, side, step):
        for left in starts(width, side, step):
            yield top, left, picture.crop((left, top, left + side, top + side))


def cut(source: Path, target: Path, side: int, step: int) -> tuple[int, list[str]]:
    """Cut all photographs of a folder; returns how many patches there are, and which photographs are too small."""
    count, small = 0, []
    for file in sorted(file for file in source.rglob("*") if file.suffix.lower() in ENDINGS):
        name = file.relative_to(source)
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
        if min(picture.size) < side:
            small.append(str(name))
        for top, left, patch in patches(picture, side, step):
            out = target / name.parent / f"{name.stem}_{top:05}_{left:05}.png"
            out.parent.mkdir(parents=True, exist_ok=True)
            patch.save(out)
            count += 1
    return count, small


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", type=Path, help="folder of photographs")
    parser.add_argument("target", type=Path, help="folder of patches, which is made")
    parser.add_argument("--side", type=int, default=128, help="of a patch, in pixels")
    parser.add_argument("--step", type=int, default=128, help="pixels from one to the next")
    given = parser.parse_args()
    if given.side < 1 or given.step < 1 or not given.source.is_dir():
        print("Give a folder of photographs, and a side and a step of at least 1.", file=sys.stderr)
        return 2
    count, small = cut(given.source, given.target, given.side, given.step)
    print(f"{count:,} patches of {given.side} pixels are in '{given.target}'.")
    if small:
        print(f"{len(small)} photographs are smaller and were left out, such as '{small[0]}'.")
    return 0 if count else 1


if __name__ == "__main__":
    sys.exit(main())
