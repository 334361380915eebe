"""Low-pass filters, and an activation between them that keeps what it makes inside of a band of frequencies.

Alias-Free Generative Adversarial Networks (StyleGAN3), arXiv:2106.12423, sections 2.2 and 3.2 and appendix C. A
pointwise nonlinearity makes frequencies that the samples of its output cannot hold; they fold over, and details stick
to pixels. Done at a higher rate of samples, with a filter before the rate falls again, it does nearly what it would
do to a continuous signal.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.networks.layers.equalised import ROOT_TWO, SLOPE


def kaiser_beta(taps: int, width: float, rate: float) -> float:
    """The shape of a Kaiser window whose filter has a transition band of this width: appendix C.1, eq. 6.

    Args:
        taps: of the filter, >= 2.
        width: of the transition band, in the unit of the rate, > 0.
        rate: samples in a unit of length, > 0.
    """
    attenuation = 2.285 * (taps - 1) * math.pi * width / (rate / 2) + 7.95
    if attenuation > 50:
        return 0.1102 * (attenuation - 8.7)
    if attenuation > 21:
        return 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    return 0.0


def sinc_lowpass(taps: int, *, cutoff: float, width: float, rate: float) -> Tensor:
    """A windowed sinc (taps,), float64, with a sum of 1: appendix C.1, eq. 5.

    Args:
        taps: of the filter; 1 is no filter at all.
        cutoff: where the band ends, in (0, rate / 2].
        width: of the transition band around it, > 0.
        rate: samples in a unit of length.
    """
    if taps == 1:
        return torch.ones(1, dtype=torch.float64)
    places = _places(taps, rate)
    window = _window(taps, width, rate)
    line = torch.sinc(2 * cutoff * places) * window
    return line / line.sum()


def jinc_lowpass(taps: int, *, cutoff: float, width: float, rate: float) -> Tensor:
    """A windowed jinc (taps, taps), float64, with a sum of 1: the same in all directions, appendix C.2, eqs. 7 and 8.

    Args:
        taps: of a side, even, so that none lies at the centre.
        cutoff: as of `sinc_lowpass`.
        width: as of `sinc_lowpass`.
        rate: as of `sinc_lowpass`.
    """
    places = _places(taps, rate)
    radius = torch.hypot(places[:, None], places[None])
    window = _window(taps, width, rate)
    plane = torch.special.bessel_j1(2 * math.pi * cutoff * radius) / radius
    plane = plane * torch.outer(window, window)
    return plane / plane.sum()


def _places(taps: int, rate: float) -> Tensor:
    """Where the taps lie (taps,), with 0 in their middle."""
    return (torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2) / rate


def _window(taps: int, width: float, rate: float) -> Tensor:
    beta = kaiser_beta(taps, width, rate)
    return torch.kaiser_window(taps, periodic=False, beta=beta, dtype=torch.float64)


class FilteredLeaky(nn.Module):
    """More samples by a filter, a leaky ReLU with a gain of the root of two, a filter and fewer samples: figure 4b.

    The grids of inputs and outputs have one centre: what lies at a place of the image stays there.

    Args:
        inputs: pixels of a side of what comes in.
        outputs: pixels of a side of what goes out; the grid that comes in reaches at least as far.
        up: samples for each of the inputs, along a side.
        down: of these, samples for each of the outputs.
        up_filter: (taps,), with a sum of 1, or (1,).
        down_filter: (taps,), or (taps, taps) where it does not fall into rows and columns.

    Raises:
        ValueError: if the inputs do not reach as far as the outputs, or no sample would lie where an output does.
    """

    up_line: Tensor
    down_line: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        up: int,
        down: int,
        up_filter: Tensor,
        down_filter: Tensor,
    ) -> None:
        super().__init__()
        self.up, self.down = up, down
        # Filtered whole, (inputs - 1) * up + taps samples come of the first filter, and the second reads
        # (outputs - 1) * down + taps. The surplus goes in halves, so that the centre stays.
        made = (inputs - 1) * up + len(up_filter)
        read = (outputs - 1) * down + len(down_filter)
        if made < read or (made - read) % 2:
            raise ValueError(
                f"{inputs} pixels at {up}/{down} samples do not reach {outputs} pixels"
            )
        self.surplus = (made - read) // 2
        # A gain of `up` in each direction makes up for the zeros between samples. The activation's own gain lies here
        # too, since a leaky ReLU commutes with it.
        gain = up * math.sqrt(ROOT_TWO)
        self.register_buffer("up_line", (up_filter * gain).float(), persistent=False)
        self.register_buffer("down_line", down_filter.float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, inputs, inputs) to (N, C, outputs, outputs)."""
        x = F.leaky_relu(self._raised(x), SLOPE)
        kernel = self.down_line.to(x.dtype)
        if kernel.ndim == 2:
            return _filtered(x, kernel, self.down, self.down)
        return _filtered(_filtered(x, kernel[None], 1, self.down), kernel[:, None], self.down, 1)

    def _raised(self, x: Tensor) -> Tensor:
        line = self.up_line.to(x.dtype)
        for kernel, stride, padding in (
            (line[:, None], (self.up, 1), (self.surplus, 0)),
            (line[None], (1, self.up), (0, self.surplus)),
        ):
            kernels = kernel.expand(x.shape[1], 1, -1, -1)
            x = F.conv_transpose2d(x, kernels, stride=stride, padding=padding, groups=x.shape[1])
        return x


def _filtered(x: Tensor, kernel: Tensor, high: int, wide: int) -> Tensor:
    """Planes through a filter (h, w), of which every `high`-th row and `wide`-th column is kept."""
    kernels = kernel.expand(x.shape[1], 1, -1, -1)
    return F.conv2d(x, kernels, stride=(high, wide), groups=x.shape[1])
