"""The data module: hands the trainer an endless stream that starts where the clock stands."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningDataModule

from gan_lab.data.image_set import ImageSet
from gan_lab.data.stream.sampler import Batches
from gan_lab.data.stream.stretch import Stretches


class ImageData(LightningDataModule):
    """Batches of one image set.

    Args:
        images: the set to train on.
        batch_size: images per round, over all ranks.
        seed: of the order and the flips.
        flip: whether half of the images are mirrored.
        place: data.device: where the set lives, see `Batches`.
    """

    def __init__(
        self,
        images: ImageSet,
        *,
        batch_size: int,
        seed: int,
        flip: bool,
        place: str = "auto",
    ) -> None:
        super().__init__()
        self.images = images
        self.batch_size = batch_size
        self.seed = seed
        self.flip = flip
        self.place = place

    def train_dataloader(self) -> Any:
        """The stream from the module's images_seen on: Lightning's prefetching never moves the clock."""
        trainer = self.trainer
        assert trainer is not None
        module: Any = trainer.lightning_module
        batches = Batches(
            self.images,
            batch_size=self.batch_size,
            seed=self.seed,
            flip=self.flip,
            start=module.clock.images_seen,
            rank=trainer.global_rank,
            ranks=trainer.world_size,
            device=trainer.strategy.root_device,
            place=self.place,
        )
        return Stretches(batches)
