"""Residual blocks that double or halve images."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.networks.layers.labels import TakesLabels, call
from gan_lab.networks.layers.norm import norm2d
from gan_lab.networks.layers.resample import ConvMeanPool, UpsampleConv

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)
Norms = Callable[[int], nn.Module]  # builds a normalisation of so many channels


class ResidualBlock(TakesLabels, nn.Module):
    """Norm, ReLU, 3x3, norm, ReLU, 3x3, plus a shortcut, which is 1x1 where the shape changes.

    Maps (N, inputs, H, W) to `width` channels of twice ("up", nearest, before the first 3x3), half ("down", mean, after
    the second 3x3) or the same H and W. The 1x1 of the shortcut runs at the smaller size, for the same function as the
    reference's.

    Args:
        width: channels of its output.
        norm: a name of `norm2d`, or what builds one for so many channels.
        resample: "up", "down" or None.
        inputs: channels of its input; None is `width`.
    """

    def __init__(
        self,
        width: int,
        norm: str | Norms,
        resample: str | None = None,
        *,
        inputs: int | None = None,
    ) -> None:
        super().__init__()
        inputs = width if inputs is None else inputs
        changes = resample is not None or inputs != width
        self.resample = resample
        self.norm1 = _norm(norm, inputs)
        self.conv1 = draw(_conv(inputs, width, up=resample == "up"), gain=math.sqrt(2))
        self.norm2 = _norm(norm, width)
        self.conv2 = draw(_conv(width, width, down=resample == "down"), gain=math.sqrt(2))
        self.shortcut = draw(nn.Conv2d(inputs, width, 1)) if changes else nn.Identity()

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map (N, inputs, H, W) to (N, width, H', W')."""
        # No ReLU in place: the shortcut reads x again.
        h = self.conv1(F.relu(call(self.norm1, x, labels)))
        h = self.conv2(F.relu(call(self.norm2, h, labels)))
        if self.resample == "up":
            return h + F.interpolate(self.shortcut(x), scale_factor=2, mode="nearest")
        if self.resample == "down":
            return h + self.shortcut(F.avg_pool2d(x, 2))
        return h + self.shortcut(x)


class FirstBlock(nn.Module):
    """The discriminator's first block: no norms, and no ReLU on pixels; halves H and W."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = draw(_conv(channels, width), gain=math.sqrt(2))
        self.conv2 = draw(_conv(width, width, down=True), gain=math.sqrt(2))
        self.shortcut = draw(nn.Conv2d(channels, width, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, channels, H, W) to (N, width, H / 2, W / 2)."""
        h = self.conv2(F.relu(self.conv1(images)))
        return h + self.shortcut(F.avg_pool2d(images, 2))


def draw(layer: Layer, gain: float = 1.0) -> Layer:
    """Draw weights uniformly with variance 2 gain^2 / (fan in + fan out); biases are 0.

    WGAN-GP's "He" initialisation is a gain of sqrt(2); its shortcuts and outer layers have 1.
    """
    nn.init.xavier_uniform_(layer.weight, gain=gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _norm(norm: str | Norms, channels: int) -> nn.Module:
    return norm2d(norm, channels) if isinstance(norm, str) else norm(channels)


def _conv(channels: int, width: int, *, up: bool = False, down: bool = False) -> nn.Conv2d:
    """A 3x3 convolution that keeps, doubles or halves H and W."""
    if up:
        return UpsampleConv(channels, width)
    if down:
        return ConvMeanPool(channels, width)
    return nn.Conv2d(channels, width, 3, padding=1)
