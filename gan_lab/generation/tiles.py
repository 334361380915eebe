"""Images of any size through networks that take some sizes only: reflected borders, and tiles that overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gan_lab.common.errors import ConfigError

Make = Callable[[Tensor], Tensor]


def reflected(images: Tensor, height: int, width: int) -> Tensor:
    """Images (N, C, h, w) in the middle of (N, C, height, width), continued by their mirror image, over and over."""
    rows, columns = (
        _mirrored(side, wanted).to(images.device)
        for side, wanted in zip(images.shape[2:], (height, width), strict=True)
    )
    return images[:, :, rows[:, None], columns]


def padded(make: Make, images: Tensor, *, multiple: int, enlarges: int = 1) -> Tensor:
    """What a network makes of images, for which they are given sides that it takes.

    Args:
        make: maps (N, C, h, w) to (N, C', enlarges h, enlarges w), for h and w that are multiples of `multiple`.
        images: (N, C, h, w) of any size.
        multiple: of the sides, >= 1.
        enlarges: how many times larger its images are.

    Returns:
        (N, C', enlarges h, enlarges w), without what was made of the added borders.
    """
    height, width = images.shape[2:]
    wanted = [-(-side // multiple) * multiple for side in (height, width)]
    if wanted == [height, width]:
        return make(images)
    made = make(reflected(images, *wanted))
    top, left = (wanted[0] - height) // 2 * enlarges, (wanted[1] - width) // 2 * enlarges
    return made[:, :, top : top + height * enlarges, left : left + width * enlarges]


def strips(
    make: Make, image: Tensor, *, tile: int, overlap: int, enlarges: int = 1, at_once: int = 1
) -> Iterator[Tensor]:
    """What a network makes of a large image, tile by tile; from one tile to the next it changes over slowly.

    A quarter of the overlap at the border of a tile is not taken, so where a network looks no further than that, the
    result is what it makes of the whole image.

    Args:
        make: maps (N, C, tile, tile) to (N, C', enlarges tile, enlarges tile).
        image: (1, C, h, w), no side shorter than a tile.
        tile: side of a tile.
        overlap: pixels that neighbours share at least, at most half of a tile.
        enlarges: how many times larger its images are.
        at_once: tiles given to the network together, >= 1.

    Yields:
        Rows (1, C', k, enlarges w) from the top to the bottom, each once.
    """
    tops, lefts = (_starts(side, tile, overlap) for side in image.shape[2:])
    before: Tensor | None = None
    for at, top in enumerate(tops):
        tiles = torch.cat([image[:, :, top : top + tile, left : left + tile] for left in lefts])
        made = torch.cat([make(part) for part in tiles.split(at_once)])
        row: Tensor | None = None
        for one, left in zip(made.split(1), lefts, strict=True):
            row = _joined(row, one, left * enlarges, dim=3)
        assert row is not None
        if before is not None:
            row = _joined(before, row, 0, dim=2)
        done = (tops[at + 1] - top) * enlarges if at + 1 < len(tops) else row.shape[2]
        yield row[:, :, :done]
        before = row[:, :, done:]


def check_tile(tile: int, overlap: int, *, multiple: int) -> None:
    """Refuse tiles that the network does not take, or that do not overlap.

    Raises:
        ConfigError: one sentence.
    """
    if tile % multiple:
        raise ConfigError(
            f"tile={tile}: this run's generator takes sides that are multiples of {multiple}; set tile="
            f"{max(-(-tile // multiple), 1) * multiple}."
        )
    if not 0 <= overlap <= tile // 2:
        raise ConfigError(
            f"overlap={overlap}: tiles of {tile} pixels share half of that at most; set it to {tile // 2} or less."
        )


def _mirrored(side: int, wanted: int) -> Tensor:
    """Which of `side` places stands at each of `wanted` ones."""
    places = torch.arange(wanted) - (wanted - side) // 2
    period = max(2 * (side - 1), 1)
    places = places.abs() % period
    return torch.where(places >= side, period - places, places)


def _starts(side: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin, evenly, so that neighbours share at least so many pixels."""
    count = -(-(side - tile) // (tile - overlap)) + 1
    return [round(at * (side - tile) / max(count - 1, 1)) for at in range(count)]


def _joined(before: Tensor | None, new: Tensor, start: int, *, dim: int) -> Tensor:
    """What is there, and from `start` on the new one; where both are, the one changes over into the other."""
    if before is None:
        return new
    shared = before.shape[dim] - start
    places = torch.arange(shared, device=new.device, dtype=new.dtype) + 0.5
    share = ((places - shared / 4) / max(shared / 2, 1)).clamp(0, 1)
    share = share.view((-1, 1) if dim == 2 else (-1,))
    kept, old = before.split([start, shared], dim=dim)
    begun, rest = new.split([shared, new.shape[dim] - shared], dim=dim)
    return torch.cat([kept, torch.lerp(old, begun, share), rest], dim=dim)
