"""Augmentations in a game: which random numbers each gets, and what they note and exchange."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from gan_lab.engine.play import Play
from gan_lab.games.scheduled import Scheduled


class Drawing:
    """Random numbers for one augmentation of some images of a play.

    They are the play's, so parts of a batch see what the whole would; a purpose has the name of the images in it.

    Args:
        play: whose numbers they are.
        purpose: what all its draws are for, such as `augment/diffaugment/real`.
    """

    def __init__(self, play: Play, purpose: str) -> None:
        self.play = play
        self.purpose = purpose

    def uniform(self, purpose: str, shape: Sequence[int]) -> Tensor:
        """Numbers uniform in [0, 1); shape[0] is the number of images."""
        return self._drawn(self.play.uniform, purpose, shape)

    def normal(self, purpose: str, shape: Sequence[int]) -> Tensor:
        """Standard normal numbers; shape[0] is the number of images."""
        return self._drawn(self.play.normal, purpose, shape)

    def _drawn(
        self, sampler: Callable[[str, Sequence[int]], Tensor], purpose: str, shape: Sequence[int]
    ) -> Tensor:
        """Numbers for any number of images: each sample of the play draws for as many images as it may have."""
        count, size = shape[0], self.play.size
        name = f"{self.purpose}/{purpose}"
        if count == size:
            return sampler(name, shape)
        times = -(-count // size)
        drawn = sampler(name, (size, times, *shape[1:]))
        return drawn.transpose(0, 1).reshape(times * size, *shape[1:])[:count]


class Augmentations:
    """The augmentations of a game, in the order of their use.

    Args:
        parts: by name; see gan_lab/augment/part.py.
    """

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self.parts = dict(parts)
        self.scheduled = Scheduled("augment", self.parts)

    def __call__(self, images: Tensor, play: Play, of: str) -> Tensor:
        """Images (N, C, H, W) as the discriminator shall see them; `of` says which of the play's they are."""
        for name, part in self.parts.items():
            images = part(images, Drawing(play, f"augment/{name}/{of}"))
        return images

    def notes(self, play: Play) -> dict[str, Tensor]:
        """What the parts note of a play of the discriminator's main step."""
        found: dict[str, Tensor] = {}
        for part in self.parts.values():
            if hasattr(part, "notes"):
                found |= part.notes(play)
        return found

    def measures(self) -> dict[str, Tensor]:
        """What the parts have worth logging, such as a chance that moves."""
        found: dict[str, Tensor] = {}
        for part in self.parts.values():
            if hasattr(part, "measures"):
                found |= part.measures()
        return found

    def replaced(self, play: Play) -> Tensor | None:
        """Which reals of a step of the discriminator give way to fakes, bool (N,); None where no part asks for it."""
        found: Tensor | None = None
        for name, part in self.parts.items():
            if hasattr(part, "replaces"):
                more = part.replaces(play.size, Drawing(play, f"augment/{name}/real"))
                found = more if found is None else found | more
        return found
