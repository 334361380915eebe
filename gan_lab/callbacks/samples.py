"""Grids of samples from fixed latents, as PNG in the run folder and at the trackers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_lab.callbacks.base import AfterRound
from gan_lab.engine.clock import KIMG, Clock
from gan_lab.generation.sampling import Sampler
from gan_lab.loggers.reporter import Reporter
from gan_lab.media.grids import save_grid

if TYPE_CHECKING:
    from gan_lab.engine.module import AdversarialModule

GRID_SEED = 0x6121D


class Samples(AfterRound):
    """Saves a grid at 0, when a multiple of `every_kimg` is crossed, and at the end.

    Args:
        folder: where the PNG files go.
        reporter: hands them to the trackers.
        every_kimg: thousands of images between grids; 0 for start and end only.
        count: images per grid, a square number looks best.
        say: writes a line for the user.
    """

    def __init__(
        self,
        folder: Path,
        reporter: Reporter,
        *,
        every_kimg: float,
        count: int,
        say: Callable[[str], None],
    ) -> None:
        self.folder = folder
        self.reporter = reporter
        self.every_kimg = every_kimg
        self.count = count
        self.say = say

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Save the untrained generator's grid."""
        del trainer
        if pl_module.clock.iteration == 0:
            self.after_round(pl_module)

    def due(self, clock: Clock) -> bool:
        """Whether the last round crossed a multiple of every_kimg."""
        return clock.crossed(self.every_kimg)

    def after_round(self, module: AdversarialModule) -> None:
        """Save a grid of the averaged generator."""
        clock = module.clock
        path = self.folder / grid_name(clock.images_seen)
        images = Sampler(module, module.averaged_networks(), seed=GRID_SEED)(0, self.count)
        try:
            save_grid(images, path)
        except OSError as error:  # as with a checkpoint, a full disk does not end training
            self.say(f"Warning: {path}: the samples could not be written ({error.strerror}).")
            return
        self.reporter.picture(clock, "samples", path)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Save the last grid."""
        del trainer
        self.after_round(pl_module)


def grid_name(images_seen: int) -> str:
    """File name of the grid after so many images; names sort by time."""
    return f"kimg-{images_seen / KIMG:010.3f}.png"
