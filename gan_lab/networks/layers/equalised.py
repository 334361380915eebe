"""Layers with equalised learning rates: weights of unit variance, scaled where they are used.

Progressive Growing of GANs, arXiv:1710.10196, section 4.1. Optimizers such as Adam move every weight equally far,
whatever its layer; so a layer whose weights are large by their initialisation learns slowly. Here all begin as
N(0, 1) and are multiplied by 1 / sqrt(fan in) at run time.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.networks.layers.head import LogitHead

SLOPE = 0.2  # of leaky ReLU below zero, in this family of networks
ROOT_TWO = math.sqrt(
    2
)  # a gain that keeps the mean square of normal inputs about as it is behind a leaky ReLU


class EqualisedLinear(nn.Linear):
    """A linear layer with weights N(0, 1), used as gain * W / sqrt(inputs) and gain * b.

    Args:
        inputs: numbers that come in.
        outputs: numbers that go out.
        bias: what all biases begin as; None is without.
        gain: of weights and biases. A leaky ReLU behind the layer may have its own gain here, since it commutes with
            positive factors.
    """

    def __init__(
        self, inputs: int, outputs: int, *, bias: float | None = 0.0, gain: float = 1.0
    ) -> None:
        super().__init__(inputs, outputs, bias=bias is not None)
        self.gain, self.scale = gain, gain / math.sqrt(inputs)
        nn.init.normal_(self.weight)
        if bias is not None:
            nn.init.constant_(self.bias, bias)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, inputs) to (N, outputs)."""
        return F.linear(input, self.weight * self.scale, scaled(self.bias, self.gain))


class EqualisedConv2d(nn.Conv2d):
    """A convolution with weights N(0, 1), used as gain * W / sqrt(inputs * kernel^2) and gain * b; biases begin as 0.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        kernel: side of the filters, odd.
        stride: 1, with a border that keeps H and W; or more, without any border.
        bias: whether there are biases.
        gain: as of `EqualisedLinear`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        bias: bool = True,
        gain: float = 1.0,
    ) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride=stride, padding=padding, bias=bias)
        self.gain, self.scale = gain, gain / math.sqrt(inputs * kernel**2)
        nn.init.normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H', W')."""
        bias = scaled(self.bias, self.gain)
        return self._conv_forward(input, self.weight * self.scale, bias)


class EqualisedHead(LogitHead):
    """The layer behind the logits, with weights N(0, 1) and features divided by the root of their number.

    Args:
        features: as of `LogitHead`.
        label_dim: as of `LogitHead`.
    """

    def __init__(self, features: int, label_dim: int | None = None) -> None:
        super().__init__(features, label_dim)
        self.scale = 1 / math.sqrt(features)
        for layer in self.linears():
            nn.init.normal_(layer.weight)
        nn.init.zeros_(self.bias)

    def forward(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map features (N, F) and labels (N, label_dim) to logits (N,) in the precision of the weights."""
        return super().forward(features.to(self.weight.dtype) * self.scale, labels)


def leaky(x: Tensor) -> Tensor:
    """Leaky ReLU with this family's slope."""
    return F.leaky_relu(x, SLOPE)


def scaled(bias: Tensor | None, gain: float) -> Tensor | None:
    """A bias times a gain, without an operation where either changes nothing."""
    return bias if bias is None or gain == 1 else bias * gain


def unit_length(x: Tensor) -> Tensor:
    """Vectors (N, D), or each pixel's channels (N, C, H, W), scaled to a mean square of 1: arXiv:1710.10196, 4.2."""
    fine = x.to(torch.promote_types(x.dtype, torch.float32))
    return (fine * fine.square().mean(dim=1, keepdim=True).add(1e-8).rsqrt()).to(x.dtype)


class PixelNorm(nn.Module):
    """`unit_length` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, D) or (N, C, H, W) to the same shape."""
        return unit_length(x)
