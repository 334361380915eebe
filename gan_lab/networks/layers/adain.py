"""Adaptive instance normalisation: styles set each channel's mean and deviation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.networks.layers.equalised import EqualisedLinear


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
