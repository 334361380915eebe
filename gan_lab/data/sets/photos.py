"""What sets of coloured image files have in common: their options, and from where they come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from gan_lab.data.cache.files import Recipe
from gan_lab.data.decoding.decode import MAX_PIXELS
from gan_lab.data.decoding.fit import HALVES
from gan_lab.data.facts import Facts, image_facts
from gan_lab.data.sets.options import check_options


@dataclass(kw_only=True, eq=False)
class Photos:
    """A set of coloured image files.

    Args:
        root: where it lies; None looks in GAN_LAB_DATA, ./data and the downloads, then downloads.
        resolution: side of the images.
        flip: mirror half of the images.
        on_error: what a bad file does: "raise" stops, "skip" leaves it out and counts it.
        max_pixels: of one image, before it is resized; a larger one is a bad file.
    """

    channels: ClassVar[int] = 3

    root: str | None = None
    resolution: int = 64
    flip: bool = True
    on_error: str = "raise"
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        check_options(
            resolution=self.resolution, on_error=self.on_error, max_pixels=self.max_pixels
        )

    @property
    def facts(self) -> Facts:
        """Resolution, channels, and classes where the set has some."""
        classes: tuple[str, ...] = getattr(self, "classes", ())
        return image_facts(
            resolution=self.resolution, channels=self.channels, classes=lambda: classes
        )

    @property
    def recipe(self) -> Recipe:
        """What is done to every file."""
        return Recipe(self.resolution, self.channels, self.on_error, self.max_pixels)

    def cropped(self, crop: str) -> Recipe:
        """The recipe with what is done to images that are not square."""
        return replace(self.recipe, crop=crop, tell_crop=crop not in HALVES)
