"""Bands of frequencies made stronger and weaker: arXiv:2006.06676, appendix B."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.augment.geometry import reflected

# The low-pass filter of the wavelet symlet 2, (1 - s, 3 - s, 3 + s, 1 + s) / (4 sqrt 2) with s the root of 3.
SYMLET2 = tuple(
    (a + b * math.sqrt(3)) / (4 * math.sqrt(2)) for a, b in ((1, -1), (3, -1), (3, 1), (1, 1))
)
BANDS = 4  # from 0 to an eighth of the highest frequency, and an octave each
POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)  # that natural images are expected to have in each


def band_filters() -> Tensor:
    """Filters (4, 43) of the bands from low to high, symmetric, whose sum is the filter that changes nothing.

    The wavelet's filter and itself backward make a low pass; what it leaves out is the high pass. Of both, spread out
    by two and four, come the octaves.
    """
    taps = torch.tensor(SYMLET2, dtype=torch.float64)
    low = F.conv1d(taps.view(1, 1, -1), taps.view(1, 1, -1), padding=3).flatten() / 2
    high = -low
    high[3] += 1
    below = torch.ones(1, dtype=torch.float64)
    found: list[Tensor] = []
    for octave in range(BANDS - 1):
        found.insert(0, _convolved(_spread(high, 2**octave), below))
        below = _convolved(_spread(low, 2**octave), below)
    found.insert(0, below)
    length = len(below)
    padded = [F.pad(f, ((length - len(f)) // 2,) * 2) for f in found]
    return torch.stack(padded).float()


class Bands(nn.Module):
    """Applies gains to the four bands of images; `power` (4,) is what images are expected to have in each."""

    filters: Tensor
    power: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", band_filters(), persistent=False)
        self.register_buffer("power", torch.tensor(POWER), persistent=False)

    def forward(self, images: Tensor, gains: Tensor) -> Tensor:
        """Images (N, C, H, W) with each band multiplied by its gain, (N, 4)."""
        n, c, height, width = images.shape
        kernels = (gains @ self.filters).to(images.dtype).repeat_interleave(c, dim=0)
        x = reflected(images, kernels.shape[1] // 2)
        x = x.reshape(1, n * c, *x.shape[2:])
        x = F.conv2d(x, kernels[:, None, :, None], groups=n * c)
        x = F.conv2d(x, kernels[:, None, None, :], groups=n * c)
        return x.view(n, c, height, width)


def _spread(taps: Tensor, by: int) -> Tensor:
    """A filter with zeros between its taps."""
    found = taps.new_zeros((len(taps) - 1) * by + 1)
    found[::by] = taps
    return found


def _convolved(one: Tensor, other: Tensor) -> Tensor:
    flipped = other.flip(0).view(1, 1, -1)
    return F.conv1d(one.view(1, 1, -1), flipped, padding=len(other) - 1).flatten()
