"""4x4 convolutions that halve and transposed ones that double, between many channels, as in DCGAN.

Both, and all their derivatives, are parts of one sum over features `small` (N, A, H, W), features `large`
(N, B, 2 H, 2 W) and a weight (A, B, 4, 4), linear in each of the three: a convolution is its derivative by `small`, a
transposed one by `large`, a weight gradient by the weight. In bfloat16 torch computes the last on a CPU at half the
rate of the others where there are few pixels and many channels; as one matrix product over unfolded windows it takes
45 to 87 % of the time (docs/performance.md). That product is used there, and torch's layers everywhere else.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEW = 8  # pixels of the smaller side; at 16 the windows take more time than they save


class HalvingConv(nn.Conv2d):
    """A 4x4 convolution with a stride of 2 and a border of 1."""

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H / 2, W / 2)."""
        height, width = input.shape[-2:]
        if height % 2 or width % 2 or not _pays(input, max(height, width) // 2):
            return super().forward(input)
        return _with_bias(_strided(input, self.weight, transposed=False), self.bias)


class DoublingConv(nn.ConvTranspose2d):
    """A transposed 4x4 convolution with a stride of 2 and a border of 1."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, 2 H, 2 W)."""
        if output_size is not None or not _pays(input, max(input.shape[-2:])):
            return super().forward(input, output_size)
        return _with_bias(_strided(input, self.weight, transposed=True), self.bias)


def _pays(x: Tensor, pixels: int) -> bool:
    return (
        pixels <= FEW
        and x.is_cpu
        and x.dim() == 4
        and torch.is_grad_enabled()
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
    )


def _strided(x: Tensor, weight: Tensor, *, transposed: bool) -> Tensor:
    return _Strided.apply(x.bfloat16(), weight.bfloat16(), transposed)


def _with_bias(y: Tensor, bias: Tensor | None) -> Tensor:
    return y if bias is None else y + bias.to(y.dtype)[:, None, None]


class _Strided(torch.autograd.Function):
    """The sum's derivative by `small` (a convolution of `large`), or, transposed, by `large`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, transposed: bool) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.transposed = transposed
        return torch.convolution(x, weight, None, [2, 2], [1, 1], [1, 1], transposed, [0, 0], 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            of_x = _Strided.apply(gradient, weight, not ctx.transposed)
        if ctx.needs_input_grad[1]:
            of_weight = _WeightGradient.apply(*((x, gradient) if ctx.transposed else (gradient, x)))
        return of_x, of_weight, None


class _WeightGradient(torch.autograd.Function):
    """The sum's derivative by the weight."""

    @staticmethod
    def forward(ctx: Any, small: Tensor, large: Tensor) -> Tensor:
        ctx.save_for_backward(small, large)
        n, a, h, w = small.shape
        b = large.shape[1]
        padded = F.pad(large.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
        windows = padded.unfold(1, 4, 2).unfold(2, 4, 2).permute(0, 1, 2, 4, 5, 3)
        rows = small.permute(0, 2, 3, 1).reshape(n * h * w, a)
        product = rows.t() @ windows.reshape(n * h * w, 16 * b)
        return product.view(a, 4, 4, b).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:  # type: ignore[override]
        small, large = ctx.saved_tensors
        of_small = of_large = None
        if ctx.needs_input_grad[0]:
            of_small = _Strided.apply(large, gradient, False)
        if ctx.needs_input_grad[1]:
            of_large = _Strided.apply(small, gradient, True)
        return of_small, of_large
