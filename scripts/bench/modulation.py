"""Which form of a modulated convolution is faster here: scaled inputs and outputs, or a kernel for each image.

python scripts/bench/modulation.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

IMAGES, TURNS = 16, 30


def scaled(x: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
    """One convolution of all images, its inputs and outputs multiplied."""
    norms = (scale.square() @ weight.square().sum(dim=(2, 3)).T + 1e-8).rsqrt()
    return F.conv2d(x * scale[:, :, None, None], weight, padding=1) * norms[:, :, None, None]


def grouped(x: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
    """One group of a convolution for each image, with a kernel of its own."""
    kernels = weight * scale[:, None, :, None, None]
    kernels = kernels * (kernels.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    images, channels, height, width = x.shape
    whole = x.reshape(1, images * channels, height, width)
    found = F.conv2d(whole, kernels.flatten(0, 1), padding=1, groups=images)
    return found.unflatten(1, (images, -1))[0]


def main() -> None:
    """Print the milliseconds of the processor for a call and its backward pass, the least of some."""
    torch.set_num_threads(1)
    for channels, side in ((64, 16), (32, 32), (128, 8)):
        x = torch.randn(IMAGES, channels, side, side).to(memory_format=torch.channels_last)
        weight, scale = torch.randn(channels, channels, 3, 3), torch.rand(IMAGES, channels) + 0.5
        given = [tensor.requires_grad_() for tensor in (x, weight, scale)]
        torch.testing.assert_close(scaled(*given), grouped(*given), rtol=1e-3, atol=1e-3)
        for form in (scaled, grouped):
            best = min(_seconds(form, given) for _ in range(TURNS))
            print(f"{channels} channels at {side} px, {form.__name__}: {best * 1e3:.0f} ms")


def _seconds(form: Callable[..., Tensor], given: list[Tensor]) -> float:
    begin = time.process_time()
    torch.autograd.grad(form(*given).sum(), given)
    return time.process_time() - begin


if __name__ == "__main__":
    main()
