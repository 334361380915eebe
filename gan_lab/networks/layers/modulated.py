"""Convolutions whose inputs a style scales: Analyzing and Improving the Image Quality of StyleGAN, arXiv:1912.04958."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.networks.layers.blur import Blur
from gan_lab.networks.layers.equalised import EqualisedLinear, leaky, scaled


class ModulatedConv2d(nn.Module):
    """w'_oik = s_i w_oik, divided by its norm over i and k where demodulated: arXiv:1912.04958, eqs. 1 and 3.

    Inputs are scaled by s before one convolution of the whole batch, and outputs by the norms behind it. That is the
    same function as a convolution with a kernel of its own for each image (one of N groups), and it was faster
    wherever it was tried: 13, 15 and 13 ms against 19, 16 and 43 ms forward and backward on one core of a CPU, with
    64 channels at 16 px, 32 at 32 px and 128 at 8 px, 16 images (`python scripts/bench/modulation.py`).

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        kernel: side of the filters, odd.
        style_dim: numbers of a style.
        demodulate: whether outputs are brought to unit size; without it weights have an equalised rate.
        up: whether H and W double, by a transposed convolution and a blur.
        gain: of the outputs.
        padding: zeros on each side; None keeps H and W.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        style_dim: int,
        demodulate: bool = True,
        up: bool = False,
        gain: float = 1.0,
        padding: int | None = None,
    ) -> None:
        super().__init__()
        self.affine = EqualisedLinear(style_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.demodulate, self.gain = demodulate, gain
        self.scale = gain / math.sqrt(inputs * kernel**2)
        self.padding = kernel // 2 if padding is None else padding
        self.blur = Blur(padding=1, gain=4.0) if up else None

    def forward(self, x: Tensor, style: Tensor) -> tuple[Tensor, Tensor | float]:
        """Map planes (N, inputs, H, W) by styles (N, style_dim) to planes (N, outputs, H', W') and their factors.

        Factors are (N, outputs, 1, 1), or 1, so that whoever adds something may multiply and add in one operation.
        """
        scale = self.affine(style)
        if not self.demodulate:
            scale = scale * self.scale
        x = x * scale[:, :, None, None].to(x.dtype)
        if self.blur is None:
            found = F.conv2d(x, self.weight, padding=self.padding)
        else:
            found = self.blur(F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2))
        return found, self._factors(scale).to(found.dtype) if self.demodulate else 1.0

    def _factors(self, scale: Tensor) -> Tensor:
        """Gain over the norms of the modulated weights, (N, outputs, 1, 1), in float32."""
        with torch.autocast(scale.device.type, enabled=False):
            squares = self.weight.square().sum(dim=(2, 3))
            norms = scale.to(squares.dtype).square() @ squares.T
            return (norms + 1e-8).rsqrt()[:, :, None, None] * self.gain


class StyledConv2d(nn.Module):
    """A modulated 3x3 convolution, noise, a bias and a leaky ReLU: arXiv:1912.04958, figure 2c.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        style_dim: numbers of a style.
        up: whether H and W double.
        gain: of the outputs; the leaky ReLU commutes with it, so it lies in the convolution, the noise and the bias.
    """

    def __init__(
        self, inputs: int, outputs: int, *, style_dim: int, up: bool = False, gain: float = 1.0
    ) -> None:
        super().__init__()
        self.gain = gain
        self.conv = ModulatedConv2d(inputs, outputs, 3, style_dim=style_dim, up=up, gain=gain)
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, style: Tensor, noise: Tensor | None = None) -> Tensor:
        """Map planes (N, inputs, H, W), styles (N, style_dim) and noise (N, 1, H', W') to (N, outputs, H', W')."""
        found, factors = self.conv(x, style)
        added = scaled(self.bias, self.gain)[:, None, None]  # type: ignore[index]
        if noise is not None:
            # In one pass with the factors; the bias follows in a second one.
            strength = (noise * (self.noise_strength * self.gain)).to(found.dtype)
            return leaky(torch.addcmul(strength, found, factors) + added.to(found.dtype))
        return leaky(found * factors + added.to(found.dtype))


class StyledColours(nn.Module):
    """A modulated 1x1 convolution to the channels of images, without demodulation: arXiv:1912.04958, figure 7.

    Args:
        inputs: channels that come in.
        channels: of the images.
        style_dim: numbers of a style.
    """

    def __init__(self, inputs: int, channels: int, *, style_dim: int) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(inputs, channels, 1, style_dim=style_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, style: Tensor, gain: Tensor | None = None) -> Tensor:
        """Map planes (N, inputs, H, W) and styles (N, style_dim) to images (N, channels, H, W), not bounded.

        Args:
            x: planes.
            style: that scales them.
            gain: () that scales them all; None is 1.
        """
        found, _ = self.conv(x, style)
        if gain is not None:
            found = found * gain.to(found.dtype)
        return found + self.bias[:, None, None]
