"""What a run's grid tells of itself in a PNG text chunk, and its samples found again by that."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gan_lab.storage.files import whole_file

CHUNK = "gan_lab.grid"  # the keyword of the text chunk


@dataclass(frozen=True)
class GridFacts:
    """What a grid tells of itself.

    Attributes:
        kimg: thousands of images seen when it was drawn; 0 for reals.
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

    @property
    def rows(self) -> int:
        """Rows of samples."""
        return -(-self.count // self.columns)

    @property
    def gap(self) -> int:
        """Pixels between two samples."""
        left, _, right, _ = self.box
        return (right - left - self.columns * self.tile[0] * self.scale) // (self.columns + 1)

    def fit(self, picture: Image.Image) -> bool:
        """Whether the picture can be what they say; a file from elsewhere may say anything."""
        left, top, right, lower = self.box
        if min(self.count, self.columns, self.scale, *self.tile) < 1:
            return False
        width, height = (side * self.scale for side in self.tile)
        inside = left >= 0 and top >= 0 and right <= picture.width and lower <= picture.height
        return inside and self.columns * width <= right - left and self.rows * height <= lower - top


def save_with_facts(picture: Image.Image, facts: GridFacts, path: Path) -> None:
    """Save a grid as PNG with its facts, whole or not at all.

    Raises:
        OSError: where the disk refuses.
    """
    info = PngInfo()
    info.add_text(CHUNK, json.dumps(asdict(facts)))
    with whole_file(path) as file:
        picture.save(file, format="PNG", pnginfo=info)


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
    if facts is None or not facts.fit(whole):
        return whole, None
    return whole.crop(facts.box), facts


def corner(
    picture: Image.Image, facts: GridFacts | None, *, most: int | None = None
) -> Image.Image:
    """The first rows and columns of samples in their own pixels, with one pixel between them.

    Args:
        picture: the samples, as `read_samples` returns them.
        facts: likewise; without them the picture stays as it is.
        most: columns and rows; all by default.
    """
    if facts is None:
        return picture
    columns, rows = (min(n, most or n) for n in (facts.columns, facts.rows))
    (width, height), scale = facts.tile, facts.scale
    shown = Image.new("RGB", (columns * (width + 1) - 1, rows * (height + 1) - 1), "white")
    for index in range(rows * columns):
        row, column = divmod(index, columns)
        if row * facts.columns + column >= facts.count:
            break
        left, top = (
            facts.gap + n * (facts.gap + side * scale)
            for n, side in ((column, width), (row, height))
        )
        tile = picture.crop((left, top, left + width * scale, top + height * scale))
        small = tile.resize((width, height), Image.Resampling.NEAREST)
        shown.paste(small, (column * (width + 1), row * (height + 1)))
    return shown


def _facts(text: object) -> GridFacts | None:
    try:
        found = json.loads(str(text))
        tile, box = (tuple(int(n) for n in found[key]) for key in ("tile", "box"))
        width, height = tile
        left, top, right, lower = box
        count, columns, scale = (int(found[key]) for key in ("count", "columns", "scale"))
        kimg = float(found["kimg"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    return GridFacts(kimg, count, columns, scale, (width, height), (left, top, right, lower))
