"""Grids of samples from fixed latents below a row of reals, as PNG in the run folder and at the trackers."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_lab.callbacks.base import AfterRound
from gan_lab.callbacks.run_state import RunState
from gan_lab.engine.clock import KIMG, Clock
from gan_lab.generation.sampling import Sampler
from gan_lab.media.grids import columns_of
from gan_lab.media.run_grids import save_reals, save_run_grid
from gan_lab.process.progress import phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from gan_lab.engine.module import AdversarialModule

log = logging.getLogger(__name__)

GRID_SEED = 0x6121D


class Samples(AfterRound):
    """Saves a grid at 0, when a multiple of `every_kimg` is crossed, and at the end; reals.png once at the start.

    Args:
        run: whose folder the PNG files go to.
        every_kimg: thousands of images between grids; 0 for start and end only.
        num: images per grid, a square number looks best.
    """

    def __init__(self, *, run: RunState, every_kimg: float, num: int) -> None:
        self.run = run
        self.every_kimg = every_kimg
        self.num = num
        self.row: Tensor | None = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Choose the reals that stand above every grid, and save as many as a grid has samples."""
        images = trainer.datamodule.images.images
        shown = pl_module.picture(self.num)
        self.row = spread(images, shown.columns or columns_of(shown.count))
        reals = spread(images, self.num)
        self._save(self.run.folder.samples / "reals.png", partial(save_reals, reals))

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Save the untrained generator's grid, or one that was due when the run was stopped."""
        del trainer
        if pl_module.clock.iteration == 0 or self.due(pl_module.clock):
            self.catch_up(pl_module)

    def due(self, clock: Clock) -> bool:
        """Whether the last round crossed a multiple of every_kimg."""
        return clock.crossed(self.every_kimg)

    def after_round(self, module: AdversarialModule) -> None:
        """Save a grid of the averaged generator."""
        clock = module.clock
        path = self.run.folder.samples / grid_name(clock.images_seen)
        with phase("Drawing a grid of samples", often=True):
            shown = module.picture(self.num)
            networks = module.averaged_networks()
            images = Sampler(module, networks, seed=GRID_SEED, ask=shown.ask)(0, shown.count)
        save = partial(save_run_grid, images, self.row, kimg=clock.kimg, columns=shown.columns)
        if self._save(path, save):
            self.run.reporter.picture(clock, "samples", path)

    def _save(self, path: Path, save: Callable[[Path], None]) -> bool:
        """Whether there was room: as with a checkpoint, a full disk does not end training."""
        try:
            save(path)
        except OSError as error:
            log.warning(f"Warning: {path}: the samples could not be written ({error.strerror}).")
            return False
        return True

    def catch_up(self, module: AdversarialModule) -> None:
        """Save a grid, unless it is there."""
        if self.owed(module.clock):
            self.after_round(module)

    def owed(self, clock: Clock) -> str:
        """A grid, where these weights have none."""
        path = self.run.folder.samples / grid_name(clock.images_seen)
        return "" if path.is_file() else "a grid of samples"

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Save the last grid."""
        del trainer
        self.catch_up(pl_module)


def spread(images: Tensor, count: int) -> Tensor:
    """At most so many of a set's images, evenly over it: where it is sorted by class, all classes are among them.

    Args:
        images: uint8 (N, C, H, W).
        count: how many.

    Returns:
        (M, C, H, W) in [-1, 1].
    """
    count = min(count, len(images))
    places = [index * len(images) // count for index in range(count)]
    return images[places].float() / 127.5 - 1


def grid_name(images_seen: int) -> str:
    """File name of the grid after so many images; names sort by time."""
    return f"kimg-{images_seen / KIMG:010.3f}.png"
