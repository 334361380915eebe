"""The data module: hands the trainer an endless stream that starts where the clock stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lightning.pytorch import LightningDataModule

from gan_lab.data.stream.stretch import Stretches
from gan_lab.data.stream.together import batches_of
from gan_lab.data.table import SideBySide, Table


class ImageData(LightningDataModule):
    """Batches of one set, or of several side by side.

    Args:
        images: the set to train on, of images or of anything else.
        batch_size: rows per round and stream, over all ranks.
        seed: of the order and the flips.
        flip: whether half of the images are mirrored.
        place: data.device: where the set lives, see `Batches`.
        balance: every class equally often.
        sizes: rows of the round that begins after so many images seen, where phases have batches of their own.
        jitter: images are made larger by this factor, and cut to their size again at random places.
    """

    def __init__(
        self,
        images: Table | SideBySide,
        *,
        batch_size: int,
        seed: int,
        flip: bool,
        place: str = "auto",
        balance: bool = False,
        sizes: Callable[[int], int] | None = None,
        jitter: float = 1.0,
    ) -> None:
        super().__init__()
        self.images = images
        self.batch_size = batch_size
        self.seed = seed
        self.flip = flip
        self.place = place
        self.balance = balance
        self.sizes = sizes
        self.jitter = jitter

    def train_dataloader(self) -> Any:
        """The stream from the module's images_seen on: Lightning's prefetching never moves the clock."""
        trainer = self.trainer
        assert trainer is not None
        module: Any = trainer.lightning_module
        batches = batches_of(
            self.images,
            batch_size=self.batch_size,
            seed=self.seed,
            flip=self.flip,
            start=module.clock.images_seen,
            rank=trainer.global_rank,
            ranks=trainer.world_size,
            device=trainer.strategy.root_device,
            place=self.place,
            balance=self.balance,
            sizes=self.sizes,
            jitter=self.jitter,
        )
        return Stretches(batches)
