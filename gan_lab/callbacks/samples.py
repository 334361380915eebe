"""Samples from fixed latents as files in the run folder: grids below a row of reals, also at the trackers, or text."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_lab.callbacks.artefacts import KINDS, Grids
from gan_lab.callbacks.base import AfterRound
from gan_lab.callbacks.run_state import RunState
from gan_lab.engine.clock import KIMG, Clock
from gan_lab.generation.sampling import Sampler
from gan_lab.process.progress import phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from gan_lab.callbacks.artefacts import Artefact
    from gan_lab.engine.module import AdversarialModule

log = logging.getLogger(__name__)

GRID_SEED = 0x6121D


class Samples(AfterRound):
    """Saves samples at 0, when a multiple of `every_kimg` is crossed, and at the end; reals once at the start.

    Args:
        run: whose folder the files go to.
        every_kimg: thousands of reals between files; 0 for start and end only.
        num: samples per file; for grids of images a square number looks best.
    """

    def __init__(self, *, run: RunState, every_kimg: float, num: int) -> None:
        self.run = run
        self.every_kimg = every_kimg
        self.num = num
        self.artefact: Artefact | None = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Look at the reals, and save as many as a file has samples."""
        kind = KINDS[pl_module.makes]
        self.artefact = kind(pl_module, trainer.datamodule.images, self.num)
        path = self.run.folder.samples / f"reals{self.artefact.suffix}"
        self._save(path, partial(self.artefact.save_reals, num=self.num))

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Save the untrained generator's samples, or those that were due when the run was stopped."""
        del trainer
        if pl_module.clock.iteration == 0 or self.due(pl_module.clock):
            self.catch_up(pl_module)

    def due(self, clock: Clock) -> bool:
        """Whether the last round crossed a multiple of every_kimg."""
        return clock.crossed(self.every_kimg)

    def after_round(self, module: AdversarialModule) -> None:
        """Save samples of the averaged generator."""
        assert self.artefact is not None
        clock = module.clock
        path = self._path(clock, self.artefact.suffix)
        with phase(f"Drawing {self.artefact.name}", often=True):
            shown = module.picture(self.num)
            networks = module.averaged_networks()
            samples = Sampler(module, networks, seed=GRID_SEED, ask=shown.ask)(0, shown.count)
        save = partial(self.artefact.save, samples, kimg=clock.kimg, shown=shown)
        if self._save(path, save) and self.artefact.picture:
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
        """Save samples, unless they are there."""
        if self.owed(module.clock):
            self.after_round(module)

    def owed(self, clock: Clock) -> str:
        """Samples, where these weights have none."""
        artefact = self.artefact or Grids
        return "" if self._path(clock, artefact.suffix).is_file() else artefact.name

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Save the last samples."""
        del trainer
        self.catch_up(pl_module)

    def _path(self, clock: Clock, suffix: str) -> Path:
        return self.run.folder.samples / f"{samples_name(clock.images_seen)}{suffix}"


def samples_name(images_seen: int) -> str:
    """Stem of the files of samples after so many reals; names sort by time."""
    return f"kimg-{images_seen / KIMG:010.3f}"
