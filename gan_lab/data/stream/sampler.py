"""The endless stream of training batches: a pure function of the seed and the images seen."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from gan_lab.common.errors import ConfigError, DataError
from gan_lab.data.image_set import ImageSet
from gan_lab.data.stream.ahead import Sender, ahead
from gan_lab.data.stream.order import Order
from gan_lab.data.stream.pixels import HostPixels, finished
from gan_lab.data.stream.placing import on_device

BLOCK = 8  # batches made at once from a set on a GPU: their kernels are launched once for all
BLOCK_BYTES = 32 * 2**20  # and the most such a block may take as floats


def check_enough(images: ImageSet, batch_size: int) -> None:
    """Raise DataError if a batch would hold an image twice."""
    if len(images) < batch_size:
        raise DataError(
            f"data={images.name}: {len(images):,} images are fewer than one batch of {batch_size:,}; "
            f"add images or set data.batch_size={fitting_batch(images, batch_size)}."
        )


def fitting_batch(images: ImageSet, wanted: int, *, parts: int = 1) -> int:
    """The batch size for a set: the wanted one, or the largest that holds no image twice.

    Args:
        images: the set.
        wanted: images per batch.
        parts: into which a batch is divided; a smaller one is a power of two times as many.

    Raises:
        DataError: if there are fewer images than parts.
    """
    count = len(images)
    if count >= wanted:
        return wanted
    if count < parts:
        raise DataError(
            f"data={images.name}: {count:,} images are fewer than the {parts} parts of a batch; "
            "add images, or lower strategy.devices or accumulate."
        )
    return parts << (count // parts).bit_length() - 1


class _Request(NamedTuple):
    position: int
    pixels: Tensor  # uint8 (n, C, H, W), to be filled
    mirrored: Tensor | None  # bool (n,)
    labels: Tensor | None  # int64 (n,)


class Batches:
    """Endless batches of a set, shuffled anew each time it was seen once.

    Epoch e is the stream's images e*N .. (e+1)*N-1: a permutation and a choice of mirrored images,
    both drawn from (seed, e) alone. A batch is a window of the stream, which may cross from one
    epoch into the next, so no image is left over, and starting at an image count continues exactly
    there. Rank r takes the r-th slice of each window.

    Every iterator yields {"images": float32 (n, C, H, W) in [-1, 1]}, and "labels", int64 (n,), if
    the set has them. A batch stays as it is for as long as anything refers to it.

    Args:
        images: the set.
        batch_size: images per batch over all ranks.
        seed: any integer.
        flip: mirror half of the images, left to right.
        start: images seen already.
        rank: this process.
        ranks: number of processes; must divide the batch size.
        device: where batches are wanted.
        place: where the set lives: "cpu", "cuda", or "auto" for a GPU with ample room. On a GPU it
            lies as bytes, moved there once; else a thread gathers the next batch meanwhile.

    Raises:
        ConfigError: if the batch does not divide among the ranks, or the place cannot be had.
        DataError: if the set is smaller than one batch.

    Example:
        >>> import torch
        >>> from gan_lab.data.sets.fashion_mini import FashionMini
        >>> images, cpu = FashionMini().load("train"), torch.device("cpu")
        >>> batches = Batches(images, batch_size=64, seed=0, flip=False, device=cpu)
        >>> next(iter(batches))["images"].shape
        torch.Size([64, 1, 32, 32])
    """

    def __init__(
        self,
        images: ImageSet,
        *,
        batch_size: int,
        seed: int,
        flip: bool,
        start: int = 0,
        rank: int = 0,
        ranks: int = 1,
        device: torch.device,
        place: str = "auto",
    ) -> None:
        check_enough(images, batch_size)
        if batch_size % ranks:
            fitting = max(batch_size // ranks, 1) * ranks
            raise ConfigError(
                f"data.batch_size={batch_size}: not a multiple of the {ranks} processes; "
                f"use {fitting} or {fitting + ranks}."
            )
        self.batch_size = batch_size
        self.count = batch_size // ranks
        self.seed = seed
        self.flip = flip
        self.start = start
        self.rank = rank
        self.ranks = ranks
        self.device = torch.device(device)
        self.resident = on_device(images, self.device, place)
        home = self.device if self.resident else torch.device("cpu")
        self.images = images.images.to(home)
        self.labels = None if images.labels is None else images.labels.to(home)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """Yield batches for ever, beginning at `start`; iterators share nothing that changes."""
        if self.resident:
            return self._from_device()
        return self._on_host() if self.device.type == "cpu" else self._sent()

    def _on_host(self) -> Iterator[dict[str, Tensor]]:
        """The CPU gathers, mirrors and scales."""
        order, pixels = self._order(), HostPixels(self.images, self.count)
        for position in itertools.count(self.start, self.batch_size):
            rows, mirrored = order.window(position + self.rank * self.count, self.count)
            labels = None if self.labels is None else torch.index_select(self.labels, 0, rows)
            yield _batch(pixels.read(rows, mirrored), labels)

    def _sent(self) -> Iterator[dict[str, Tensor]]:
        """A thread gathers bytes, one batch ahead; the device mirrors and scales."""
        order, sender = self._order(), Sender(self.device)

        def request(position: int) -> _Request:
            return _Request(
                position,
                sender.empty((self.count, *self.images.shape[1:]), torch.uint8),
                sender.empty((self.count,), torch.bool) if self.flip else None,
                None if self.labels is None else sender.empty((self.count,), torch.int64),
            )

        def gather(wanted: _Request) -> _Request:
            rows, mirrored = order.window(wanted.position + self.rank * self.count, self.count)
            torch.index_select(self.images, 0, rows, out=wanted.pixels)
            if wanted.mirrored is not None and mirrored is not None:
                wanted.mirrored.copy_(mirrored)
            if wanted.labels is not None and self.labels is not None:
                torch.index_select(self.labels, 0, rows, out=wanted.labels)
            return wanted

        requests = map(request, itertools.count(self.start, self.batch_size))
        for part in ahead(gather, requests):
            parts = {"pixels": part.pixels, "mirrored": part.mirrored, "labels": part.labels}
            there = {name: tensor for name, tensor in parts.items() if tensor is not None}
            sent = dict(zip(there, sender.send(list(there.values()))))
            yield _batch(finished(sent["pixels"], sent.get("mirrored")), sent.get("labels"))

    def _from_device(self) -> Iterator[dict[str, Tensor]]:
        """The device does everything, several batches at once."""
        order = self._order()
        each = 4 * self.count * self.images[0].numel()
        block = max(1, min(BLOCK, BLOCK_BYTES // each))
        shape = (block, self.ranks, self.count)
        for position in itertools.count(self.start, block * self.batch_size):
            rows, mirrored = order.window(position, block * self.batch_size)
            rows = rows.view(shape)[:, self.rank].reshape(-1)
            if mirrored is not None:
                mirrored = mirrored.view(shape)[:, self.rank].reshape(-1)
            images = finished(torch.index_select(self.images, 0, rows), mirrored)
            labels = None if self.labels is None else torch.index_select(self.labels, 0, rows)
            for index in range(block):
                part = slice(index * self.count, (index + 1) * self.count)
                yield _batch(images[part], None if labels is None else labels[part])

    def _order(self) -> Order:
        return Order(len(self.images), seed=self.seed, flip=self.flip, device=self.images.device)


def _batch(images: Tensor, labels: Tensor | None) -> dict[str, Tensor]:
    return {"images": images} if labels is None else {"images": images, "labels": labels}
