"""Images moved by a matrix: exactly, where pixels come to lie on pixels, or filtered on a grid of twice the size.

arXiv:2006.06676, appendix B. Positions are in pixels from the image's centre, x to the right and y down. Matrices are
float32 (N, 3, 3) and map positions of the result to positions of the source. Outside, the source goes on as mirrored
about its outermost pixels. Everything can be differentiated any number of times, and no value is read on the host.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# The low-pass filter of the wavelet symlet 6: Daubechies, Ten Lectures on Wavelets, 1992, table 6.3.
SYMLET6 = (
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633,
    0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252,
    -0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148,
)  # fmt: skip
MIDDLE = 5  # the tap that lies on the pixel: the filter is nearly symmetric about it
EDGE = 6  # mirrored pixels that are doubled with the image: the reach of the filter, twice


def scaling(x: Tensor, y: Tensor) -> Tensor:
    """Matrices (N, 3, 3) that multiply positions by numbers (N,)."""
    return _matrices([[x, 0, 0], [0, y, 0], [0, 0, 1]], like=x)


def rotation(angle: Tensor) -> Tensor:
    """Matrices (N, 3, 3) that turn positions by angles (N,), from x towards y."""
    c, s = angle.cos(), angle.sin()
    return _matrices([[c, -s, 0], [s, c, 0], [0, 0, 1]], like=angle)


def translation(x: Tensor, y: Tensor) -> Tensor:
    """Matrices (N, 3, 3) that add numbers (N,) to positions."""
    return _matrices([[1, 0, x], [0, 1, y], [0, 0, 1]], like=x)


def copied(images: Tensor, inverse: Tensor) -> Tensor:
    """Copy for each pixel the nearest one of the source.

    Args:
        images: (N, C, H, W).
        inverse: (N, 3, 3), of the result's positions to the source's.
    """
    height, width = images.shape[2:]
    x, y = _sources(inverse.to(images.dtype), *(_centred(s, images) for s in (height, width)))
    return _sampled(images, _folded(x, width), _folded(y, height), mode="nearest")


class Warp(nn.Module):
    """Moves images, with filters that keep out what a grid of pixels cannot show.

    The source is doubled in size by the filter of `SYMLET6`, sampled linearly on a doubled grid, and halved again by
    the same filter, backward. Its copies at distances of two samples are orthonormal, so that the identity matrix
    changes nothing.
    """

    taps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("taps", torch.tensor(SYMLET6), persistent=False)

    def forward(self, images: Tensor, inverse: Tensor) -> Tensor:
        """Move images (N, C, H, W) by matrices (N, 3, 3), of the result's positions to the source's."""
        height, width = images.shape[2:]
        taps = self.taps.to(images.dtype)
        x, y = _sources(inverse.to(images.dtype), *(_halves(s, images) for s in (height, width)))
        fine = _doubling(height, taps) @ images @ _doubling(width, taps).T
        # Its first sample lies 3 pixels before the image and its last 3.5 behind, so its centre a quarter off.
        x, y = (2 * _near(at, size) - 0.5 for at, size in ((x, width), (y, height)))
        moved = _sampled(fine, x, y, mode="bilinear")
        return _halving(height, taps) @ moved @ _halving(width, taps).T


def reflected(images: Tensor, pad: int) -> Tensor:
    """Images (N, C, H, W) with `pad` more pixels on each side, mirrored about the outermost as often as it takes."""
    for dim in (2, 3):
        size = images.shape[dim]
        index = torch.arange(-pad, size + pad, device=images.device)
        images = images.index_select(dim, _mirrored(index, size))
    return images


def _matrices(rows: list[list[Tensor | float]], *, like: Tensor) -> Tensor:
    flat = [x if isinstance(x, Tensor) else torch.full_like(like, x) for row in rows for x in row]
    return torch.stack(flat, dim=1).unflatten(1, (3, 3))


def _centred(size: int, like: Tensor) -> Tensor:
    """Positions (size,) of pixels from their centre."""
    return torch.arange(size, device=like.device, dtype=like.dtype) - (size - 1) / 2


def _halves(size: int, like: Tensor) -> Tensor:
    """Positions (2 size + 10,) from the centre of all half pixels that the filter reads when it halves."""
    more = len(SYMLET6) - 2
    first = -MIDDLE / 2 - (size - 1) / 2
    return first + torch.arange(2 * size + more, device=like.device, dtype=like.dtype) / 2


def _sources(inverse: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Where the source of every place of a grid lies: x and y, each (N, rows, columns)."""
    a = inverse[:, :2, :, None, None]
    x, y = (a[:, i, 0] * columns + a[:, i, 1] * rows[:, None] + a[:, i, 2] for i in (0, 1))
    return x, y


def _folded(at: Tensor, size: int) -> Tensor:
    """Positions mirrored into an image of this size, as often as it takes."""
    half, period = (size - 1) / 2, max(2 * (size - 1), 1)
    return half - ((at + half).remainder(period) - 2 * half).abs()


def _near(at: Tensor, size: int) -> Tensor:
    """Positions as they are within the reach of one filter, and folded beyond."""
    return torch.where(at.abs() <= (size - 1) / 2 + EDGE / 2, at, _folded(at, size))


def _sampled(images: Tensor, x: Tensor, y: Tensor, *, mode: str) -> Tensor:
    """Images (N, C, H, W) at positions x and y (N, H', W')."""
    height, width = images.shape[2:]
    grid = torch.stack([x * (2 / width), y * (2 / height)], dim=3)
    found: Tensor = _Sample.apply(images, grid, mode)
    return found


class _Sample(torch.autograd.Function):
    """`grid_sample` of images, twice differentiable: torch has one derivative, and it is linear in them."""

    @staticmethod
    def forward(ctx, images: Tensor, grid: Tensor, mode: str) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(grid)
        ctx.shape, ctx.mode = images.shape, mode
        return F.grid_sample(images, grid, mode=mode, padding_mode="border", align_corners=False)

    @staticmethod
    def backward(ctx, gradient: Tensor):  # type: ignore[no-untyped-def]
        (grid,) = ctx.saved_tensors
        return _Spread.apply(gradient, grid, ctx.shape, ctx.mode), None, None


class _Spread(torch.autograd.Function):
    """The transposed map of `_Sample`."""

    @staticmethod
    def forward(ctx, gradient: Tensor, grid: Tensor, shape: torch.Size, mode: str) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(grid)
        ctx.mode = mode
        with torch.enable_grad():
            zeros = gradient.new_zeros(shape, requires_grad=True)
            sampled = F.grid_sample(
                zeros, grid, mode=mode, padding_mode="border", align_corners=False
            )
        return torch.autograd.grad(sampled, zeros, gradient)[0]

    @staticmethod
    def backward(ctx, gradient: Tensor):  # type: ignore[no-untyped-def]
        (grid,) = ctx.saved_tensors
        return _Sample.apply(gradient, grid, ctx.mode), None, None, None


def _doubling(size: int, taps: Tensor) -> Tensor:
    """The matrix (2 size + 12, size) that doubles pixels and those mirrored beside them.

    As a product it is several times faster than torch's convolutions of one channel are on a CPU.
    """
    fine = torch.arange(2 * size + len(taps), device=taps.device) - 1
    pixels = torch.arange(-EDGE, size + EDGE, device=taps.device)
    own = (_mirrored(pixels, size)[:, None] == pixels[EDGE : EDGE + size]).to(taps.dtype)
    return math.sqrt(2) * _banded(fine, pixels, taps) @ own


def _halving(size: int, taps: Tensor) -> Tensor:
    """The matrix (size, 2 size + 10) that takes every second sample of the filter backward."""
    fine = torch.arange(2 * size + len(taps) - 2, device=taps.device)
    pixels = torch.arange(size, device=taps.device)
    return _banded(fine, pixels, taps).T / math.sqrt(2)


def _banded(fine: Tensor, pixels: Tensor, taps: Tensor) -> Tensor:
    """Filters (fine, pixels) that begin at twice the pixel."""
    at = fine[:, None] - 2 * pixels
    inside = (at >= 0) & (at < len(taps))
    return taps[at.clamp(0, len(taps) - 1)] * inside


def _mirrored(index: Tensor, size: int) -> Tensor:
    """Whole numbers mirrored into 0 .. size - 1, as often as it takes."""
    last = size - 1
    return last - (index % max(2 * last, 1) - last).abs()
