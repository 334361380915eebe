"""Grids of a run: reals above what was generated, enlarged, with a caption; what they hold stands in the file.

The pixels of the samples stay findable: a PNG text chunk tells where they lie and how they were drawn.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from gan_lab.storage.files import whole_file

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = "gan_lab.grid"  # the keyword of the text chunk
WIDTH, LARGEST = 100, 4  # an image is drawn about so many pixels wide, and at most so much enlarged
LETTERS, STRIP = 14, 22  # pixels of a letter's height and of the strip in which it stands
INK = "#333333"


@dataclass(frozen=True)
class GridFacts:
    """What a run's grid tells of itself.

    Attributes:
        kimg: thousands of images seen when it was drawn.
        count: samples in it.
        columns: samples per row.
        scale: how many times larger than its pixels each is drawn.
        tile: width and height of a sample in its own pixels.
        box: left, top, right and lower edge of the samples with their gaps; above it are reals and captions.
    """

    kimg: float
    count: int
    columns: int
    scale: int
    tile: tuple[int, int]
    box: tuple[int, int, int, int]


def save_run_grid(samples: Tensor, reals: Tensor | None, path: Path, *, kimg: float) -> None:
    """Save samples under a row of reals as PNG.

    Args:
        samples: (N, C, H, W) in [-1, 1].
        reals: (M, C, H, W) in [-1, 1], of which one row is drawn; may be missing.
        path: the PNG file; its folder is there.
        kimg: thousands of images seen.

    Raises:
        OSError: where the disk refuses.
    """
    from gan_lab.media.grids import columns_of, picture_of

    columns, scale = columns_of(len(samples)), scale_of(samples)
    grid = picture_of(samples, columns=columns, scale=scale)
    parts = [(f"generated, {_plain(kimg)} kimg", grid)]
    if reals is not None:
        row = picture_of(reals[:columns], columns=columns, scale=scale)
        parts.insert(0, ("real images", row))
    whole = _stacked(parts)
    top = whole.height - grid.height
    height, width = samples.shape[-2:]
    facts = GridFacts(
        kimg=kimg, count=len(samples), columns=columns, scale=scale, tile=(width, height),
        box=(0, top, grid.width, whole.height),
    )  # fmt: skip
    info = PngInfo()
    info.add_text(CHUNK, json.dumps(asdict(facts)))
    with whole_file(path) as file:
        whole.save(file, format="PNG", pnginfo=info)


def save_reals(reals: Tensor, path: Path) -> None:
    """Save reals (N, C, H, W) in [-1, 1] as PNG, as large as a run's grids show them.

    Raises:
        OSError: where the disk refuses.
    """
    from gan_lab.media.grids import save_grid

    save_grid(reals, path, scale=scale_of(reals))


def read_samples(path: str | Path) -> tuple[Image.Image, GridFacts | None]:
    """The samples of a run's grid without captions and reals, and what it tells; all of a picture that tells nothing.

    Raises:
        OSError: if it cannot be read as a picture.
    """
    try:
        with Image.open(path) as picture:
            whole = picture.convert("RGB")
            facts = _facts(picture.info.get(CHUNK))
    except (ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise OSError(f"{path}: cannot be read as a picture ({error})") from error
    if facts is None or not _inside(facts.box, whole):
        return whole, None
    return whole.crop(facts.box), facts


def scale_of(images: Tensor) -> int:
    """How many times larger images are drawn, so that small ones can be seen: 16 and 28 pixels 4, 32 3, 64 2."""
    return min(LARGEST, max(1, round(WIDTH / max(images.shape[-2:]))))


def _facts(text: object) -> GridFacts | None:
    try:
        found = json.loads(str(text))
        tile, box = (tuple(int(n) for n in found.pop(key)) for key in ("tile", "box"))
        width, height = tile
        left, top, right, lower = box
        return GridFacts(tile=(width, height), box=(left, top, right, lower), **found)
    except (ValueError, TypeError, KeyError):
        return None


def _inside(box: tuple[int, int, int, int], picture: Image.Image) -> bool:
    """Whether the picture has such a part; a file from elsewhere may say anything."""
    left, top, right, lower = box
    return 0 <= left < right <= picture.width and 0 <= top < lower <= picture.height


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
