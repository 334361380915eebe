"""Given images through a trained game from image to image, whatever their size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.generation.sampling import Sampler
from gan_lab.generation.tiles import check_tile, padded, strips

if TYPE_CHECKING:
    from gan_lab.engine.module import AdversarialModule

MOST = (
    512 * 512
)  # pixels made at once: with the widest networks here about a gigabyte of activations
MANY = 8  # answers in a sentence
SHARED = 4  # where nothing is said, neighbours share a tile's fourth part


class Translator:
    """Translates images of any size.

    Args:
        sampler: of a game that translates.
        ask: what is asked, by number, for all images.
        tile: side of the tiles that images are cut into; None cuts only those that are too large for memory.
        overlap: pixels that neighbouring tiles share; None is a quarter of a tile.

    Raises:
        ConfigError: if the game does not translate, or the network takes no such tiles.
    """

    def __init__(
        self,
        sampler: Sampler,
        *,
        ask: Mapping[str, int] | None = None,
        tile: int | None = None,
        overlap: int | None = None,
    ) -> None:
        require_translation(sampler.module)
        self.sampler, self.ask = sampler, dict(ask or {})
        game: Any = sampler.module
        self.game = game
        self.enlarges, self.multiple = game.sizes()
        self.channels: int = game.given_channels
        self.tile, self.overlap = tile, overlap
        if tile is not None:
            in_range("tile", tile, low=1)
            check_tile(tile, overlap or 0, multiple=self.multiple)

    def __call__(self, images: Tensor, alpha: Tensor | None = None) -> Tensor:
        """Translate images.

        Args:
            images: (N, C, h, w) in [-1, 1], of any size.
            alpha: (N, 1, h, w) in [0, 1], 0 where nothing is known, for models that fill holes.

        Returns:
            (N, C', H, W) in [-1, 1], float32, on the networks' device.
        """
        whole = [torch.cat(list(self.strips(*one)), dim=2) for one in self._alone(images, alpha)]
        return torch.cat(whole)

    def strips(self, images: Tensor, alpha: Tensor | None = None) -> Iterator[Tensor]:
        """The same, row by row where a single image is cut into tiles: (N, C', k, W) from the top to the bottom."""
        for strip in self._strips(images, alpha):
            yield self.game.finished(strip, self.ask)

    def _strips(self, images: Tensor, alpha: Tensor | None) -> Iterator[Tensor]:
        """Strips as the networks made them."""
        _check(images, self.channels)
        source = self.game.given(images.to(self.sampler.device, torch.float32), alpha)
        tile = self._tile_of(source)
        if tile is None:
            yield padded(self._make, source, multiple=self.multiple, enlarges=self.enlarges)
            return
        at_once = max(MOST // (tile * self.enlarges) ** 2, 1)
        yield from strips(
            self._make, source, tile=tile, overlap=self._overlap_of(tile), enlarges=self.enlarges,
            at_once=at_once,
        )  # fmt: skip

    @torch.no_grad()
    def _make(self, source: Tensor) -> Tensor:
        with torch.autocast(source.device.type, enabled=False):
            made: Tensor = self.game.translation(self.sampler.networks, source, self.ask)
        return made.float()

    def _alone(
        self, images: Tensor, alpha: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Images one by one where they are cut, else as many together as memory holds."""
        height, width = images.shape[2:]
        count = max(MOST // (height * width * self.enlarges**2), 1)
        for start in range(0, len(images), 1 if self.tile else count):
            part = slice(start, start + (1 if self.tile else count))
            yield images[part], None if alpha is None else alpha[part]

    def _tile_of(self, source: Tensor) -> int | None:
        """The side of tiles that this image is cut into; None where it stays whole."""
        short, long = sorted(source.shape[2:])
        tile = self.tile
        if tile is None and short * long * self.enlarges**2 > MOST:
            tile = max(int(MOST**0.5) // self.enlarges // self.multiple, 1) * self.multiple
        if tile is None or long <= tile:
            return None
        return min(tile, short // self.multiple * self.multiple) or None

    def _overlap_of(self, tile: int) -> int:
        return min(tile // SHARED if self.overlap is None else self.overlap, tile // 2)


def require_translation(game: AdversarialModule) -> None:
    """Refuse a game that is given no images.

    Raises:
        ConfigError: one sentence.
    """
    if not hasattr(game, "translation"):
        raise ConfigError(
            "translate: this run's model makes images of random numbers, not of other images; `sample` shows them, and "
            "model=pix2pix or model=cyclegan translate."
        )


def answer_of(game: AdversarialModule, question: str, text: str | int) -> int:
    """The number of an answer that a person gave as a number or in words; "a to b" is also AtoB and a2b.

    Raises:
        ConfigError: if the model knows no such question or answer.
    """
    known = game.questions().get(question)
    if known is None:
        raise ConfigError(
            f"{question}={text}: this run's model is not asked for that; leave it out."
        )
    names, wanted = [_plain(one) for one in known], _plain(str(text))
    if wanted in names:
        return names.index(wanted)
    number = str(text).strip()  # "2" in words is "to"
    if not number.isdecimal() or int(number) >= len(known):
        shown = ", ".join(known[:MANY]) + (", ..." if len(known) > MANY else "")
        raise ConfigError(f"{question}={text}: this run's model knows {shown}.")
    return int(number)


def check_view(game: AdversarialModule, view: str | int, seen: Sequence[str], why: str) -> None:
    """Refuse a view that a translation cannot be shown in.

    Args:
        game: that translates.
        view: as a person gave it.
        seen: names of the views that there are.
        why: the others are not, in words.

    Raises:
        ConfigError: one sentence.
    """
    number = answer_of(game, "view", view)
    if game.questions()["view"][number] not in seen:
        raise ConfigError(f"ask.view={view}: {why}; leave it out.")


def _plain(text: str) -> str:
    return text.casefold().replace(" ", "").replace("2", "to")


def _check(images: Tensor, channels: int) -> None:
    if images.ndim != 4 or images.shape[1] != channels or not images.numel():
        raise ConfigError(
            f"translate: the images' shape is {tuple(images.shape)}; this model takes (N, {channels}, H, W), N >= 1."
        )
