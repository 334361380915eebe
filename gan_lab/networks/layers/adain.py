"""Adaptive instance normalisation: styles, or the planes of another image, set each channel's mean and deviation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.networks.layers.equalised import EqualisedLinear

EPSILON = 1e-5  # added to a variance, as torch's instance norm does


class AdaIN(nn.Module):
    """y_s (x - mean(x)) / deviation(x) + y_b, over the places of each image and channel: arXiv:1812.04948, eq. 1.

    Args:
        channels: C of the features (N, C, H, W).
        style_dim: numbers of a style, from which a linear layer makes y_s - 1 and y_b.
    """

    def __init__(self, channels: int, style_dim: int) -> None:
        super().__init__()
        self.affine = EqualisedLinear(style_dim, 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Map features (N, C, H, W) and styles (N, style_dim) to the same shape."""
        gain, bias = self.affine(style).float()[:, :, None, None].chunk(2, dim=1)
        normal = F.instance_norm(x.to(torch.promote_types(x.dtype, torch.float32)), eps=1e-8)
        return torch.addcmul(bias, normal, 1 + gain).to(x.dtype)


def moments(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation (N, C) of each plane (N, C, H, W), float32: arXiv:1703.06868, eq. 5 and 6."""
    mean = planes.float().mean(dim=(2, 3))
    variance = planes.float().var(dim=(2, 3), correction=0)
    return mean, (variance + EPSILON).sqrt()


def restyled(planes: Tensor, style: Tensor) -> Tensor:
    """Planes (N, C, H, W) with the means and deviations of others (N or 1, C, h, w): arXiv:1703.06868, eq. 8.

    Float32, whatever comes in.
    """
    (mean, deviation), (other, wanted) = (
        (one[:, :, None, None] for one in moments(of)) for of in (planes, style)
    )
    return (planes.float() - mean) / deviation * wanted + other
