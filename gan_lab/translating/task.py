"""Translate what a person gives, and write it under the same names."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from gan_lab.common.class_maps import UNLABELLED
from gan_lab.common.errors import ConfigError, GanLabError
from gan_lab.data.decoding.bad import BadImageError
from gan_lab.data.decoding.decode import luminance, our_limit_alone
from gan_lab.data.decoding.tree import Tree
from gan_lab.generation.translating import MOST, Translator
from gan_lab.media.films import check_film, save_film
from gan_lab.media.videos import Video
from gan_lab.process.progress import Phase, phase
from gan_lab.translating.given import Picture, listed, read, scaled, together
from gan_lab.translating.scores import Scores
from gan_lab.translating.written import Places, alpha_of, bytes_of, picture_of

log = logging.getLogger(__name__)

SHOWN = 3  # names in a sentence


@dataclass
class Work:
    """Images on their way from files to files.

    Attributes:
        translator: makes them.
        tree: lists what is given.
        places: where they go.
        side: of the shorter side, to which they are scaled before.
        unlabelled: the number of pixels without a class, where class maps are given.
        scores: against what should come out.
        faults: what could not be translated, each with its reason.
    """

    translator: Translator
    tree: Tree
    places: Places
    side: int | None = None
    unlabelled: int | None = UNLABELLED
    scores: Scores | None = None
    faults: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Translate all; an image that cannot be is left out and told at the end.

        Raises:
            GanLabError: naming what was left out, once all others are written.
        """
        count = len(self.tree.entries)
        with our_limit_alone(), phase("Translating", total=count) as shown:
            for pictures in together(self._pictures(shown), MOST // self.translator.enlarges**2):
                self._batch(pictures)
                shown.advance(len(pictures))
        if self.faults:
            more = len(self.faults) - SHOWN
            named = "; ".join(self.faults[:SHOWN]) + (f"; and {more} more" if more > 0 else "")
            others = f"; the other {count - len(self.faults)} are in {self.places.out}"
            raise GanLabError(
                f"{len(self.faults)} of {count} images could not be translated: {named}"
                f"{others if count > len(self.faults) else ''}."
            )

    def _pictures(self, shown: Phase) -> Iterator[Picture]:
        for entry in self.tree.entries:
            try:
                yield read(
                    self.tree, entry, channels=self.translator.channels, side=self.side,
                    maps=self.translator.game.given_maps, unlabelled=self.unlabelled,
                )  # fmt: skip
            except BadImageError as error:
                self.faults.append(f"'{entry.name}' {error}")
                shown.advance()

    def _batch(self, pictures: Sequence[Picture]) -> None:
        """Pictures of one size; where together they are refused, each alone says why."""
        try:
            made = self._made(pictures)
        except ConfigError as error:
            if len(pictures) == 1:
                self.faults.append(f"'{pictures[0].name}': {str(error).rstrip('.')}")
                return
            for one in pictures:
                self._batch([one])
            return
        for one, pixels in zip(pictures, made, strict=True):
            self._write(one, pixels)

    def _made(self, pictures: Sequence[Picture]) -> Tensor:
        """Bytes (N, C, H, W)."""
        images = torch.cat([one.images for one in pictures])
        if pictures[0].opaque is None:
            return bytes_of(self.translator.strips(images))
        opaque = [one.opaque for one in pictures if one.opaque is not None]
        return bytes_of(self.translator.strips(images, torch.cat(opaque)))

    def _write(self, picture: Picture, pixels: Tensor) -> None:
        keeps = self.translator.game.keeps_alpha and not self.places.exact
        alpha = alpha_of(picture.alpha, pixels.shape[1:]) if keeps else None
        try:
            self.places.save(picture.name, pixels, alpha)
            if self.scores is not None:
                self.scores.add(picture.name, pixels)
        except (GanLabError, BadImageError) as error:
            self.faults.append(f"'{picture.name}': {str(error).rstrip('.')}")


def translate_images(translator: Translator, given: Path, options: Mapping[str, Any]) -> list[str]:
    """Translate a file, folder or archive of images.

    Returns:
        Lines for the reader: scores, then where the images are.

    Raises:
        GanLabError: one sentence.
    """
    out: Path = options["out"]
    with ExitStack() as stack:
        tree = stack.enter_context(listed(given, "input"))
        for sentence in tree.left_out():
            log.info(sentence)
        names = [entry.name for entry in tree.entries]
        places = Places(
            out,
            single=options["single"],
            overwrite=options["overwrite"],
            exact=translator.game.exact,
            given=given,
        )
        places.check_free(names)
        work = Work(
            translator, tree, places, side=options["side"], unlabelled=options["unlabelled"]
        )
        if options["target"] is not None:
            targets = stack.enter_context(listed(options["target"], "target"))
            work.scores = Scores(targets, names)
        work.run()
    where = places.of(names[0]) if options["single"] else out
    return [*(work.scores.lines() if work.scores else []), str(where)]


def translate_video(translator: Translator, given: Path, options: Mapping[str, Any]) -> list[str]:
    """Translate a video, frame by frame; sound is left out.

    Returns:
        Where the film is, as a line.

    Raises:
        GanLabError: one sentence.
    """
    out: Path = options["out"]
    check_film(out)
    if translator.game.given_maps:
        raise ConfigError("input=: this model is given class maps, which videos do not hold.")
    if options["target"] is not None:
        raise ConfigError("target=: videos are not scored; give a folder of their frames.")
    video = Video(given)
    with phase("Translating", total=video.count, unit="frames") as shown:
        save_film(_frames(translator, video, options["side"], shown), out, fps=video.fps)
    return [str(out)]


def _frames(
    translator: Translator, video: Video, side: int | None, shown: Phase
) -> Iterator[Image.Image]:
    for frame in video:
        pixels = luminance(frame) if translator.channels == 1 else frame
        images = scaled(pixels, side)[None].float() / 127.5 - 1
        yield picture_of(bytes_of(translator.strips(images))[0]).convert("RGB")
        shown.advance()
