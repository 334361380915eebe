"""Random jitter: images made larger, and cut to their size again at a place of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_lab.data.stream.order import Order


class Corners(Order):
    """Where each image of the stream is cut: an order of places, drawn from (seed, epoch) alone as any other."""

    def drawn(self, epoch: int) -> Tensor:
        """Places (count, 2) in [0, 1), of rows and of columns, on the CPU."""
        return torch.rand(self.count, 2, generator=self.generator("jitter", epoch))


def jittered(
    batches: Iterable[dict[str, Tensor]],
    windows: Iterable[tuple[int, int]],
    corners: Corners,
    *,
    between: Mapping[str, str],
    jitter: float,
) -> Iterator[dict[str, Tensor]]:
    """Batches whose images are larger by `jitter`, and cut to their size again: arXiv:1611.07004, section 6.2.

    Args:
        batches: of a stream.
        windows: where each of them begins in the stream, and its rows.
        corners: where images are cut.
        between: how places between pixels are found, by the name of each column that is images (n, C, H, W), or numbers
            of classes; those of one row are cut at the same place.
        jitter: how many times larger, > 1; 286 / 256 in the paper.
    """
    for batch, (begin, count) in zip(batches, windows, strict=False):  # both are endless
        places, _ = corners.window(begin, count)
        cut = {name: cut_out(batch[name], places, jitter, mode) for name, mode in between.items()}
        yield {**batch, **cut}


def cut_out(images: Tensor, places: Tensor, jitter: float, mode: str = "bilinear") -> Tensor:
    """Images (n, C, H, W), enlarged by `jitter`, and of each a window of H x W at its place.

    Args:
        images: float, or uint8 where no pixels are mixed.
        places: (n, 2) in [0, 1), of the window's first row and column among all that there are.
        jitter: how many times larger; sides are rounded.
        mode: of torch's interpolate.
    """
    height, width = images.shape[2:]
    size = (round(height * jitter), round(width * jitter))
    large = F.interpolate(images, size=size, mode=mode)
    places = places.to(images.device)
    top = (places[:, 0] * (size[0] - height + 1)).long()
    left = (places[:, 1] * (size[1] - width + 1)).long()
    rows = top[:, None] + torch.arange(height, device=images.device)
    columns = left[:, None] + torch.arange(width, device=images.device)
    few = large.gather(2, rows[:, None, :, None].expand(-1, images.shape[1], -1, size[1]))
    return few.gather(3, columns[:, None, None, :].expand_as(images))
