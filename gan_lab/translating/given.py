"""The images that a person gives: a file, a folder or a zip archive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from gan_lab.common.class_maps import UNLABELLED
from gan_lab.common.errors import ConfigError, DataError
from gan_lab.data.decoding.bad import BadImageError
from gan_lab.data.decoding.decode import decode_with_alpha
from gan_lab.data.decoding.maps import MapRules, decode_map
from gan_lab.data.decoding.names import suffix_of
from gan_lab.data.decoding.tree import Entry, Tree, scan


@dataclass(frozen=True)
class Picture:
    """One image as it was given.

    Attributes:
        name: below the folder or archive, with slashes.
        pixels: uint8 (C, H, W).
        alpha: uint8 (1, H, W), or None where nothing shines through.
    """

    name: str
    pixels: Tensor
    alpha: Tensor | None

    @property
    def images(self) -> Tensor:
        """Shape (1, C, H, W) in [-1, 1]."""
        return self.pixels[None].float() / 127.5 - 1

    @property
    def opaque(self) -> Tensor | None:
        """Shape (1, 1, H, W) in [0, 1]."""
        return None if self.alpha is None else self.alpha[None].float() / 255


def listed(path: Path, option: str) -> Tree:
    """All images of a file, folder or zip archive, sorted by name.

    Args:
        path: of it.
        option: its name, for messages.

    Raises:
        ConfigError: one sentence, where there is none.
    """
    if path.is_file() and suffix_of(path.name) != ".zip":
        return Tree(path.parent, [Entry(path.name, "", None, str(path))])
    if not path.exists():
        raise ConfigError(f"{option}={path}: there is no such file or folder.")
    try:
        tree = scan(path)
    except DataError as error:
        raise ConfigError(f"{option}={path}: {error}") from error
    if not tree.entries:
        tree.__exit__()
        raise ConfigError(f"{option}={path}: no image is there (jpg, png or webp).")
    return tree


def take_style(game: Any, path: Path) -> None:
    """Give a game the style of an image.

    Args:
        game: that translates.
        path: of the image.

    Raises:
        ConfigError: if the game takes none, or there is no such image or more than one.
    """
    if not hasattr(game, "take_style"):
        raise ConfigError(
            f"style={path}: this run's model takes no style; leave it out, or train one that does by model=style."
        )
    with listed(path, "style") as tree:
        if len(tree.entries) > 1:
            raise ConfigError(
                f"style={path}: there are {len(tree.entries)} images, and one is wanted; name a file."
            )
        try:
            picture = read(tree, tree.entries[0], channels=game.given_channels)
        except BadImageError as error:
            raise ConfigError(f"style={path}: the image {error}.") from error
    game.take_style(picture.images)


def read(
    tree: Tree,
    entry: Entry,
    *,
    channels: int,
    side: int | None = None,
    maps: int = 0,
    unlabelled: int | None = UNLABELLED,
) -> Picture:
    """One image, its rotation by EXIF done.

    Args:
        tree: that lists it.
        entry: of the tree.
        channels: 1 or 3.
        side: of the shorter side, to which it is scaled; None keeps its size.
        maps: number of classes, where it is a class map; 0 for an image.
        unlabelled: the number of pixels without a class, in a class map.

    Raises:
        BadImageError: with the reason.
    """
    if maps:
        numbers = decode_map(tree.read(entry), MapRules(maps, unlabelled))
        return Picture(entry.name, scaled(numbers, side, numbers=True), None)
    pixels, alpha = decode_with_alpha(tree.read(entry), channels)
    return Picture(entry.name, scaled(pixels, side), None if alpha is None else scaled(alpha, side))


def scaled(pixels: Tensor, side: int | None, *, numbers: bool = False) -> Tensor:
    """Bytes (C, H, W) so that the shorter side has so many pixels; numbers of classes are never mixed."""
    if side is None or min(pixels.shape[1:]) == side:
        return pixels
    share = side / min(pixels.shape[1:])
    size = [max(round(one * share), 1) for one in pixels.shape[1:]]
    if numbers:
        return F.interpolate(pixels[None], size=size, mode="nearest-exact")[0]
    return F.interpolate(pixels[None], size=size, mode="bilinear", antialias=True)[0]


def together(pictures: Iterator[Picture], most: int) -> Iterator[Sequence[Picture]]:
    """Pictures that follow each other and are of one size, as many together as have so many pixels at most."""
    held: list[Picture] = []
    for one in pictures:
        alike = held and held[0].pixels.shape == one.pixels.shape
        alike = alike and (held[0].alpha is None) == (one.alpha is None)
        if held and (not alike or (len(held) + 1) * one.pixels[0].numel() > most):
            yield held
            held = []
        held.append(one)
    if held:
        yield held
