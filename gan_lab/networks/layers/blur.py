"""Changes of resolution by two with a low-pass filter, which keeps frequencies from folding over.

Making Convolutional Networks Shift-Invariant Again, arXiv:1904.11486; A Style-Based Generator Architecture,
arXiv:1812.04948, section 2. What StyleGAN2's code calls upfirdn (zeros between pixels, a filter, every n-th pixel kept)
is a depthwise convolution here, or its transpose, so that it can be differentiated any number of times.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BINOMIAL = (1.0, 3.0, 3.0, 1.0)


class Blur(nn.Module):
    """Filters images by rows and columns, with zeros around them.

    Args:
        padding: pixels of zeros on each side: H and W become H + 2 * padding + 1 - taps.
        gain: what a constant image is multiplied by, away from its edges.
        taps: of the filter, normalised to a sum of 1; for changes of resolution an even number.
    """

    kernel: Tensor

    def __init__(
        self, *, padding: int, gain: float = 1.0, taps: Sequence[float] = BINOMIAL
    ) -> None:
        super().__init__()
        self.padding = padding
        line = torch.tensor(taps) / sum(taps)
        # Not saved: it is a constant of the architecture.
        self.register_buffer("kernel", gain * torch.outer(line, line)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H', W')."""
        return F.conv2d(x, self._kernels(x), padding=self.padding, groups=x.shape[1])

    def _kernels(self, x: Tensor) -> Tensor:
        """One for each channel, in the precision of x."""
        return self.kernel.to(x.dtype).expand(x.shape[1], -1, -1, -1)


class BlurredHalving(Blur):
    """A blur, and every second pixel of it.

    Args:
        taps: as of `Blur`.
        border: whether one pixel was added on each side of the planes for the filter to see, instead of zeros.
    """

    def __init__(self, taps: Sequence[float] = BINOMIAL, *, border: bool = False) -> None:
        super().__init__(padding=len(taps) // 2 - 1 - border, taps=taps)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H / 2, W / 2)."""
        return F.conv2d(x, self._kernels(x), stride=2, padding=self.padding, groups=x.shape[1])


class BlurredDoubling(Blur):
    """A zero behind each pixel of a row and a column, and a blur of four times the gain, so that brightness stays.

    Args:
        taps: as of `Blur`.
        border: as of `BlurredHalving`.
    """

    def __init__(self, taps: Sequence[float] = BINOMIAL, *, border: bool = False) -> None:
        super().__init__(padding=len(taps) // 2 - 1 + 2 * border, gain=4.0, taps=taps)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, 2 H, 2 W)."""
        kernels = self._kernels(x)
        return F.conv_transpose2d(x, kernels, stride=2, padding=self.padding, groups=x.shape[1])
