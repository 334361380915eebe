"""From many image files to one cached set: decoded in parallel, the bad ones named or counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor

from gan_lab.common.errors import DataError
from gan_lab.data.cache.store import Builder, Filled, cache_key, open_or_build
from gan_lab.data.cache.writer import ImageWriter
from gan_lab.data.decoding.bad import BadImageError, UnreadableError
from gan_lab.data.decoding.decode import MAX_PIXELS, decode, our_limit_alone
from gan_lab.data.decoding.fit import fit, is_enlarged, taken
from gan_lab.data.decoding.maps import MapRules, decode_map
from gan_lab.data.decoding.tree import Entry, Tree
from gan_lab.data.image_set import About, ImageSet
from gan_lab.process.cores import processors
from gan_lab.process.progress import progress

BLOCK = 64  # images per task: enough to hide the cost of a task, few enough to stop soon
HOW = {
    "center": "the square at the centre is taken (data.crop=center)",
    "fit": "white is added beside the whole image (data.crop=fit)",
    "left": "its left half is squeezed",
    "right": "its right half is squeezed",
    "none": "the whole image is squeezed (data.crop=none)",
}
CACHE_BYTES = 2**20  # of decoded images that are resized in one call: what a core's cache holds


@dataclass(frozen=True)
class Recipe:
    """What is done to every file, and what happens where it cannot be done.

    Attributes:
        resolution: side of the squares.
        channels: 3 or 1.
        on_error: "raise" stops at the first bad file, "skip" leaves it out and counts it.
        max_pixels: of one file; a larger one is bad.
        crop: "center" takes the square at the centre, "fit" pads the whole image with white, "none" squeezes it.
        tell_crop: say how many images are not square.
        maps: what the numbers of class maps mean; None for images.
    """

    resolution: int
    channels: int
    on_error: str
    max_pixels: int = MAX_PIXELS
    crop: str = field(default="center", repr=False)  # named apart in the cache's key
    tell_crop: bool = field(default=True, repr=False)
    maps: MapRules | None = field(default=None, repr=False)  # likewise

    def read(self, data: bytes) -> Tensor:
        """Pixels, uint8 (channels, H, W), of a file's content.

        Raises:
            BadImageError: with the reason.
        """
        if self.maps is not None:
            return decode_map(data, self.maps, max_pixels=self.max_pixels)
        return decode(data, self.channels, max_pixels=self.max_pixels)


class _Block(NamedTuple):
    pixels: np.ndarray  # uint8 (n, C, H, W), the good ones
    kept: list[int]  # their indices among the entries
    bad: list[str]  # "'a.jpg' is empty"
    unread: list[str]  # names of those that may be readable another time
    enlarged: int
    oblong: int


@dataclass(frozen=True, eq=False)
class Files:
    """Files that become images.

    Attributes:
        tree: what they lie in.
        entries: in the order of the images.
        labels: int64, one per entry, or None.
        recipe: what is done to them.
        beside: labels of any kind, one per entry, that are laid beside the cache instead of kept in it; or None.
    """

    tree: Tree
    entries: Sequence[Entry]
    labels: np.ndarray | None
    recipe: Recipe
    beside: Tensor | None = None

    def key(self, about: About) -> str:
        """Hash of all that decides the pixels."""
        return cache_key(
            about.name,
            about.split,
            self.recipe,
            Path(self.tree.root).resolve(),
            "\n".join(f"{entry.name}\t{entry.stamp}" for entry in self.entries),
            None if self.labels is None else self.labels.tobytes().hex(),
            # Not where it is the default, so that caches without the word stay valid.
            *(() if self.recipe.crop == "center" else (f"crop={self.recipe.crop}",)),
            *(() if self.recipe.maps is None else (repr(self.recipe.maps),)),
        )

    def any_opens(self, names: Sequence[str]) -> bool:
        """Whether one of these can be read now."""
        wanted = set(names)
        return any(_opens(self.tree, e) for e in self.entries if wanted and e.name in wanted)


def load_files(about: About, files: Files) -> ImageSet:
    """Return the cached set of these files, decoding them where they are new.

    Raises:
        DataError: naming the first bad file (on_error=raise), or if none is good.
    """
    size = files.recipe.resolution
    shape = (len(files.entries), files.recipe.channels, size, size)

    def fill(writer: ImageWriter) -> Filled:
        return _decode_all(writer, about.name, files)

    return open_or_build(
        about, files.key(about), Builder(shape, fill, files.any_opens, files.beside)
    )


def _decode_all(writer: ImageWriter, name: str, files: Files) -> Filled:
    kept: list[int] = []
    bad: list[str] = []
    unread: list[str] = []
    enlarged = oblong = 0
    count, size = len(files.entries), files.recipe.resolution
    title = f"data={name}: reading images to {size}x{size}, once"
    blocks = _blocks(name, files)
    with progress(count, title) as advance, our_limit_alone(), closing(blocks):
        for block in blocks:
            writer.write(block.pixels)
            kept += block.kept
            bad += block.bad
            unread += block.unread
            enlarged += block.enlarged
            oblong += block.oblong
            advance(len(block.kept) + len(block.bad))
    if not kept:
        raise DataError(f"data={name}: none of {count:,} files can be read: {bad[0]}.")
    notes = (
        *_skipped(bad, count),
        *_cropped(oblong, len(kept), files.recipe),
        *_enlarged(enlarged, len(kept), size),
    )
    labels = None if files.labels is None else files.labels[kept]
    left_out = tuple(sorted(set(range(count)) - set(kept)))
    return Filled(labels, notes, tuple(unread), left_out)


def _skipped(bad: Sequence[str], count: int) -> tuple[str, ...]:
    if not bad:
        return ()
    more = f" and {len(bad) - 3:,} more" if len(bad) > 3 else ""
    was = "was" if len(bad) == 1 else "were"
    return (f"{len(bad):,} of {count:,} files {was} skipped: {'; '.join(bad[:3])}{more}.",)


def _cropped(number: int, count: int, recipe: Recipe) -> tuple[str, ...]:
    if not number or not recipe.tell_crop:
        return ()
    verb = "is" if number == 1 else "are"
    return (f"{number:,} of {count:,} images {verb} not square: {HOW[recipe.crop]}.",)


def _enlarged(number: int, count: int, size: int) -> tuple[str, ...]:
    if not number:
        return ()
    verb, was = ("is", "was") if number == 1 else ("are", "were")
    return (
        f"{number:,} of {count:,} images {verb} smaller than {size}x{size} and {was} enlarged.",
    )


def _blocks(name: str, files: Files) -> Generator[_Block, None, None]:
    """Yield decoded blocks in order; at most two per thread wait, so memory stays bounded.

    Threads suffice: decoding and resizing leave Python's lock free.
    """
    workers = len(processors())
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    waiting: deque[Future[_Block]] = deque()
    try:
        for start in range(0, len(files.entries), BLOCK):
            indices = range(start, min(start + BLOCK, len(files.entries)))
            waiting.append(pool.submit(_decode_block, name, files, indices))
            if len(waiting) >= 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _decode_block(name: str, files: Files, indices: range) -> _Block:
    tree, entries, recipe = files.tree, files.entries, files.recipe
    size, channels = recipe.resolution, recipe.channels
    pixels = np.empty((len(indices), channels, size, size), np.uint8)
    block = _Block(pixels, [], [], [], 0, 0)
    waiting: list[Tensor] = []  # decoded, of one size, to be resized together
    enlarged = oblong = 0

    def flush() -> None:
        if waiting:
            end = len(block.kept)
            fitted = fit(waiting, size, crop=recipe.crop, numbers=recipe.maps is not None)
            pixels[end - len(waiting) : end] = fitted.numpy()
            waiting.clear()

    for index in indices:
        try:
            image = recipe.read(tree.read(entries[index]))
        except BadImageError as error:
            path = tree.shown(entries[index])
            if recipe.on_error == "raise":
                raise DataError(
                    f"data={name}: '{path}' {error}; mend or remove it, or set data.on_error=skip."
                ) from error
            block.bad.append(f"'{path}' {error}")
            if isinstance(error, UnreadableError):
                block.unread.append(entries[index].name)
            continue
        part = taken(image, recipe.crop)
        full = len(waiting) >= CACHE_BYTES // image.numel()
        if waiting and (full or waiting[0].shape != part.shape):
            flush()
        waiting.append(part)
        enlarged += is_enlarged(part, size, crop=recipe.crop)
        oblong += image.shape[-2] != image.shape[-1]
        block.kept.append(index)
    flush()
    return block._replace(pixels=pixels[: len(block.kept)], enlarged=enlarged, oblong=oblong)


def _opens(tree: Tree, entry: Entry) -> bool:
    try:
        tree.read(entry)
    except UnreadableError:
        return False
    except BadImageError:
        pass
    return True
