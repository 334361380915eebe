"""Grids of a run: reals above what was generated, enlarged, with a caption; what they hold stands in the file.

The pixels of the samples stay findable: a PNG text chunk tells where they lie and how they were drawn.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from gan_lab.media.grid_facts import GridFacts, save_with_facts

if TYPE_CHECKING:
    from torch import Tensor

WIDTH, LARGEST = 100, 4  # an image is drawn about so many pixels wide, and at most so much enlarged
LETTERS, STRIP = 14, 22  # pixels of a letter's height and of the strip in which it stands
INK = "#333333"


def save_run_grid(
    samples: Tensor,
    reals: Tensor | None,
    path: Path,
    *,
    kimg: float,
    columns: int | None = None,
) -> None:
    """Save samples under a row of reals as PNG.

    Args:
        samples: (N, C, H, W) in [-1, 1].
        reals: (M, C, H, W) in [-1, 1], of which one row is drawn, and of points all; may be missing.
        path: the PNG file; its folder is there.
        kimg: thousands of images seen.
        columns: samples per row; None for a nearly square grid.

    Raises:
        OSError: where the disk refuses.
    """
    from gan_lab.media.grids import columns_of, picture_of
    from gan_lab.media.points import are_points, drawn

    if are_points(samples):
        columns = 1
        reals = None if reals is None else drawn(reals)
        samples = drawn(samples)
    columns, scale = columns or columns_of(len(samples)), scale_of(samples)
    grid = picture_of(samples, columns=columns, scale=scale)
    parts = [(f"generated, {_plain(kimg)} kimg", grid)]
    if reals is not None:
        row = picture_of(reals[:columns], columns=columns, scale=scale)
        parts.insert(0, ("real images", row))
    whole = _stacked(parts)
    top = whole.height - grid.height
    box = (0, top, grid.width, whole.height)
    save_with_facts(whole, _facts_of(samples, box, kimg=kimg, columns=columns), path)


def save_reals(reals: Tensor, path: Path) -> None:
    """Save reals (N, C, H, W) in [-1, 1] as PNG, as large as a run's grids show them.

    Raises:
        OSError: where the disk refuses.
    """
    from gan_lab.media.grids import columns_of, picture_of
    from gan_lab.media.points import drawn

    reals = drawn(reals)
    columns = columns_of(len(reals))
    picture = picture_of(reals, columns=columns, scale=scale_of(reals))
    facts = _facts_of(reals, (0, 0, *picture.size), kimg=0, columns=columns)
    save_with_facts(picture, facts, path)


def scale_of(images: Tensor) -> int:
    """How many times larger images are drawn, so that small ones can be seen: 16 and 28 pixels 4, 32 3, 64 2."""
    return min(LARGEST, max(1, round(WIDTH / max(images.shape[-2:]))))


def _facts_of(
    images: Tensor, box: tuple[int, int, int, int], *, kimg: float, columns: int
) -> GridFacts:
    height, width = images.shape[-2:]
    return GridFacts(kimg, len(images), columns, scale_of(images), (width, height), box)


def _stacked(parts: list[tuple[str, Image.Image]]) -> Image.Image:
    """Pictures below each other, each under a strip with its caption."""
    font = ImageFont.load_default(LETTERS)
    widths = [round(font.getlength(caption)) + LETTERS for caption, _ in parts]
    width = max([*widths, *(picture.width for _, picture in parts)])
    height = sum(STRIP + picture.height for _, picture in parts)
    whole, top = Image.new("RGB", (width, height), "white"), 0
    for caption, picture in parts:
        place = (2, top + STRIP // 2)
        ImageDraw.Draw(whole).text(place, caption, INK, font, anchor="lm")
        whole.paste(picture, (0, top + STRIP))
        top += STRIP + picture.height
    return whole


def _plain(kimg: float) -> str:
    return f"{kimg:,.3f}".rstrip("0").rstrip(".")
