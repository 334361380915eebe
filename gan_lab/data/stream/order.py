"""The order of the endless stream: which image comes when, and which are mirrored."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


class Order:
    """Epoch e is the stream's images e*N .. (e+1)*N-1: a permutation, and mirror flags.

    Both are drawn from (seed, e) alone, on the CPU, so that every device sees the same stream. One
    epoch is kept, two while a window crosses from one into the next: 4 bytes per image, 5 with
    flags.

    Args:
        count: N, the number of images.
        seed: any integer.
        flip: whether flags are drawn.
        device: where indices and flags are wanted.
        stream: name of one of several streams side by side, each of which has an order of its own.
    """

    def __init__(
        self, count: int, *, seed: int, flip: bool, device: torch.device, stream: str = ""
    ) -> None:
        self.count = count
        self.seed = seed
        self.stream = stream
        self.flip = flip
        self.device = device
        self._epochs: dict[int, tuple[Tensor, Tensor | None]] = {}

    def window(self, begin: int, count: int) -> tuple[Tensor, Tensor | None]:
        """Return the images begin .. begin+count-1 of the stream.

        Args:
            begin: images of the stream before the window.
            count: images in the window, at least 1.

        Returns:
            Their indices, int32 (int64 for sets beyond its range), shape (count,), and whether
            they are mirrored, bool, shape (count,), or None without flips.
        """
        epoch, offset = divmod(begin, self.count)
        orders: list[Tensor] = []
        flags: list[Tensor] = []
        while count > 0:
            order, mirrored = self._epoch(epoch)
            orders.append(order[offset : offset + count])
            if mirrored is not None:
                flags.append(mirrored[offset : offset + count])
            count -= len(orders[-1])
            last, epoch, offset = epoch, epoch + 1, 0
        self._epochs = {last: self._epochs[last]}
        if len(orders) == 1:
            return orders[0], flags[0] if flags else None
        return torch.cat(orders), torch.cat(flags) if flags else None

    def _epoch(self, epoch: int) -> tuple[Tensor, Tensor | None]:
        if epoch not in self._epochs:
            order = self.drawn(epoch).to(self.device)
            flags = None
            if self.flip:
                generator = self.generator("flip", epoch)
                drawn = torch.randint(0, 2, (self.count,), generator=generator, dtype=torch.uint8)
                flags = drawn.bool().to(self.device)
            self._epochs[epoch] = order, flags
        return self._epochs[epoch]

    def drawn(self, epoch: int) -> Tensor:
        """The rows of an epoch (count,), int32 or int64, on the CPU."""
        # The same permutation in either type; the smaller one halves what is held.
        small = self.count <= torch.iinfo(torch.int32).max
        generator = self.generator("order", epoch)
        kind = torch.int32 if small else torch.int64
        return torch.randperm(self.count, generator=generator, dtype=kind)

    def generator(self, purpose: str, epoch: int) -> torch.Generator:
        """The random numbers of one purpose in one epoch."""
        # A real hash: CPU generators keep 32 bits of a seed, so sums and packed numbers collide.
        stream = f"{self.stream}/" if self.stream else ""
        digest = hashlib.sha256(f"{self.seed}/{stream}{purpose}/{epoch}".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
