"""Colours as people see them: sRGB (IEC 61966-2-1) to CIE L*a*b* (CIE 15:2004, section 8.2.1) and back, white D65."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# Linear sRGB to XYZ, rows X, Y, Z (IEC 61966-2-1), and the white of D65 for the observer of 2 degrees.
TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
FROM_XYZ = torch.tensor(TO_XYZ, dtype=torch.float64).inverse().tolist()
WHITE = (0.95047, 1.0, 1.08883)
DELTA = 6 / 29


def levels(light: Tensor) -> Tensor:
    """Levels of sRGB in [0, 1] of linear light in [0, 1]: any shape."""
    bright = 1.055 * light.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(light <= 0.0031308, light * 12.92, bright)


def linear(images: Tensor) -> Tensor:
    """Linear light in [0, 1] of levels of sRGB in [0, 1]: any shape."""
    bright = ((images + 0.055) / 1.055).clamp(min=0) ** 2.4
    return torch.where(images <= 0.04045, images / 12.92, bright)


def luminance(images: Tensor) -> Tensor:
    """Y (N, 1, H, W) of sRGB images (N, 3, H, W) in [0, 1]."""
    return mixed(TO_XYZ[1], linear(images))


def to_lab(images: Tensor) -> Tensor:
    """L* in [0, 100], a* and b* (N, 3, H, W) of sRGB images (N, 3, H, W) in [0, 1]."""
    light = linear(images)
    t = torch.cat(
        [mixed(row, light) / white for row, white in zip(TO_XYZ, WHITE, strict=True)], dim=1
    )
    root = t.clamp(min=DELTA**3) ** (1 / 3)
    x, y, z = torch.where(t > DELTA**3, root, t / (3 * DELTA**2) + 4 / 29).split(1, dim=1)
    return torch.cat([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def from_lab(lab: Tensor) -> Tensor:
    """Images in sRGB (N, 3, H, W) of L*a*b* (N, 3, H, W); colours that sRGB lacks are cut off to [0, 1]."""
    lightness, a, b = lab.split(1, dim=1)
    y = (lightness + 16) / 116
    f = torch.cat([y + a / 500, y, y - b / 200], dim=1)
    t = torch.where(f > DELTA, f**3, 3 * DELTA**2 * (f - 4 / 29))
    xyz = torch.cat([part * white for part, white in zip(t.split(1, dim=1), WHITE, strict=True)], 1)
    return levels(torch.cat([mixed(row, xyz) for row in FROM_XYZ], dim=1)).clamp(0, 1)


def mixed(weights: Sequence[float], images: Tensor) -> Tensor:
    """The weighted sum (N, 1, H, W) of the channels of images (N, C, H, W)."""
    # By numbers of Python, not by a tensor of weights: a recorded step cannot copy one to the device.
    parts = zip(weights, images.split(1, dim=1), strict=True)
    return sum((weight * channel for weight, channel in parts), torch.zeros_like(images[:, :1]))
