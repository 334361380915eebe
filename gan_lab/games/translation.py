"""What games from image to image share: kept sources, their samples, and the pictures that show them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab.common.ranges import in_range
from gan_lab.engine.asking import NOTHING, Ask, Shown, asked
from gan_lab.engine.module import AdversarialModule
from gan_lab.engine.step import Step
from gan_lab.games.class_maps import planes_of

COLUMNS = 6  # images in a row of a picture, at least: sources beside what was made of them


class Translation(AdversarialModule):
    """Base of games whose samples are made of images.

    Some rows of the split that metrics look at are kept with the run. Its grids show them over and over, and samples
    are made of them where no images are at hand.

    Attributes:
        sources: columns of the data that samples are made of.
        targets: columns that samples are compared with; may be empty.
        views: what can be shown of a sample, in the order of a picture's columns.
        shown: the view that a sample is, unless somebody asks for another.
        hidden: views at the end that no picture shows, and that may be asked for all the same.
        class_maps: columns whose values are class maps, each with its number of classes.
        seen: views of which a translation of a given image may be.
        gives: what the networks make of a source, in a word.
    """

    sources: ClassVar[tuple[str, ...]] = ()
    targets: ClassVar[tuple[str, ...]] = ()
    views: ClassVar[tuple[str, ...]] = ("source", "translated")
    shown: ClassVar[str] = "translated"
    seen: ClassVar[tuple[str, ...]] = ("translated",)
    gives: ClassVar[str] = "images"
    hidden: int = 0
    class_maps: Mapping[str, int] = {}
    latent_dim = 0  # a sample is made of an image
    exact = False  # whether a pixel's value means something of its own, so that it must be stored as it is
    keeps_alpha = True  # a translation is transparent where its source was

    def keep_places(self, kept: int, shapes: Mapping[str, Sequence[int]]) -> None:
        """Make room for rows of these columns, each of a shape (C, H, W); maps have one channel whatever it says."""
        in_range("kept", kept, low=1)
        self.kept = kept
        for column, whole in shapes.items():
            shape = (1, *whole[1:]) if column in self.class_maps else whole
            self.register_buffer(f"kept_{column}", torch.zeros(kept, *shape, dtype=torch.uint8))

    def keep_rows(self, data: Any) -> None:
        """Keep rows, evenly spread over a split, that grids show.

        Args:
            data: a table with the game's columns.
        """
        for column in dict.fromkeys((*self.sources, *self.targets)):
            images, room = data.columns[column].values, getattr(self, f"kept_{column}")
            rows = torch.arange(self.kept) * len(images) // self.kept
            room.copy_(images[rows])

    def questions(self) -> Mapping[str, Sequence[str]]:
        """What is shown of a sample."""
        return {"view": self.views}

    def picture(self, count: int) -> Shown:
        """All views of a kept row beside each other, several rows in a line."""
        views = len(self.views) - self.hidden
        groups = max(COLUMNS // views, 1)
        lines = max(round(count / (groups * views)), 1)
        shown = min(lines * groups, self.kept)
        ask = {
            "view": [view for _ in range(shown) for view in range(views)],
            "latents": [row for row in range(shown) for _ in range(views)],
        }
        return Shown(shown * views, groups * views, ask)

    def inputs(self, indices: Sequence[int], *, seed: int, ask: Ask = NOTHING) -> dict[str, Tensor]:
        """Kept rows in turn, from that of the seed's number on, and what is asked of each."""
        wanted = asked(ask, "latents", indices) or indices
        rows = torch.tensor([(row + seed) % self.kept for row in wanted])
        columns = dict.fromkeys((*self.sources, *self.targets))
        kept = {name: getattr(self, f"kept_{name}").cpu()[rows] for name in columns}
        return self.inputs_of(kept, wanted, indices=indices, ask=ask)

    def inputs_of(
        self,
        rows: Mapping[str, Tensor],
        numbers: Sequence[int],
        *,
        indices: Sequence[int] | None = None,
        ask: Ask = NOTHING,
        **how: Any,
    ) -> dict[str, Tensor]:
        """What samples are made of, where they are made of these rows of the data.

        Args:
            rows: uint8 (N, C, H, W) by column.
            numbers: of the rows (N,), on which everything that is drawn for them depends.
            indices: of the samples, by which `ask` is read; those of the rows by default.
            ask: values by name of `questions`.
            how: nothing more.

        Returns:
            Float images in [-1, 1] by column, and for each question int64 (N,).
        """
        del how
        found = {name: self.as_read(name, values) for name, values in rows.items()}
        places = list(numbers if indices is None else indices)
        for name, values in self.questions().items():
            usual = self.usual(name, values)
            found[name] = torch.tensor(asked(ask, name, places) or [usual] * len(places))
        return found

    def as_read(self, column: str, values: Tensor) -> Tensor:
        """Stored rows of a column as networks read them: images in [-1, 1] of bytes, a plane for each class of maps."""
        if column in self.class_maps:
            return planes_of(values, self.class_maps[column])
        return values.float() / 127.5 - 1

    @property
    def given_maps(self) -> int:
        """The number of classes, where what is translated are class maps; 0 where it is images."""
        return self.class_maps.get(self.sources[0], 0)

    # Images that somebody gives --------------------------------------------------------------

    @property
    def given_channels(self) -> int:
        """Channels of images that somebody gives to be translated."""
        return int(getattr(self, f"kept_{self.sources[0]}").shape[1])

    def sizes(self) -> tuple[int, int]:
        """How many times larger translations are than what is given, and what its sides must be multiples of.

        Networks say so: `scale` where they enlarge, `multiple` where they take some sides only.
        """
        networks = list(self.averaged_networks().values())
        side = int(getattr(self, f"kept_{self.sources[0]}").shape[-1])
        enlarges = max(int(getattr(one, "scale", 1)) for one in networks)
        return enlarges, math.lcm(*(int(getattr(one, "multiple", side)) for one in networks))

    def given(self, images: Tensor, alpha: Tensor | None = None) -> Tensor:
        """The source that an image is, where somebody gives it.

        Args:
            images: (N, C, H, W) in [-1, 1].
            alpha: (N, 1, H, W) in [0, 1], 0 where images are transparent; None where they are not.

        Returns:
            Shape (N, C', H, W).
        """
        del alpha
        return images

    def translation(
        self, networks: Mapping[str, nn.Module], source: Tensor, ask: Mapping[str, int]
    ) -> Tensor:
        """What is made of sources (N, C', H, W), with one answer to each question for all of them.

        Args:
            networks: the averaged ones by name.
            source: of `given`.
            ask: numbers of the answers that are not the usual ones.

        Returns:
            Shape (N, C, H, W), in [-1, 1] unless `made_words` says otherwise.
        """
        raise NotImplementedError

    @property
    def made_words(self) -> str:
        """Type, shape and range of what `translation` gives, in words."""
        return "float32 in [-1, 1]"

    def finished(self, made: Tensor, ask: Mapping[str, int]) -> Tensor:
        """What a person gets of what `translation` made, once tiles are put together: (N, C, H, W) in [-1, 1]."""
        del ask
        return made

    def usual(self, question: str, values: Sequence[str]) -> int:
        """The answer to a question that nobody asked."""
        return list(values).index(self.shown) if question == "view" else 0


def generators_first(
    steps: Sequence[Step], generators: str, carried: tuple[str, ...]
) -> Sequence[Step]:
    """Steps in the order in which translations are made once a round, and discriminators judge those that were made.

    pix2pix and CUT have one translation a round too, and let the discriminator move before the generator. Here a
    step's graph ends with the step, so that batches can be played in parts and steps be recorded. So the generator
    moves first, as in CycleGAN. In rounds in which it rests, others make what they need.

    Args:
        steps: of all players.
        generators: the player that makes translations.
        carried: what its main step leaves to the others, by name.
    """
    makers = [step for step in steps if step.player == generators]
    others = [step for step in steps if step.player != generators]
    return [
        *(replace(step, carries=carried) if step.every == 1 else step for step in makers),
        *(replace(step, after=generators) for step in others),
    ]


def as_large(images: Tensor, side: Sequence[int]) -> Tensor:
    """Images (N, C, h, w) enlarged to (H, W) by bicubic interpolation, with three colours at most."""
    if tuple(images.shape[2:]) != tuple(side):
        images = F.interpolate(images, size=tuple(side), mode="bicubic").clamp(-1, 1)
    return images[:, :3] if images.shape[1] > 3 else images
