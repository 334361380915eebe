"""Less resolution: what super-resolution shall undo."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.degrade.part import Draw


class Bicubic(nn.Module):
    """Smaller images by bicubic interpolation with antialiasing, the input of SRGAN: arXiv:1609.04802, section 3.

    Args:
        scale: how many times smaller, a whole number >= 2.
    """

    def __init__(self, *, scale: int = 4) -> None:
        super().__init__()
        in_range("scale", scale, low=2)
        self.scale = scale

    def forward(self, images: Tensor, draw: Draw) -> Tensor:
        """Map images (N, C, H, W) to (N, C, H / scale, W / scale), still in [-1, 1]."""
        del draw
        height, width = images.shape[2:]
        if height % self.scale or width % self.scale:
            raise ConfigError(
                f"degrade.bicubic.scale={self.scale}: images of {height} x {width} do not divide by it; "
                "choose another data.resolution."
            )
        size = (height // self.scale, width // self.scale)
        return F.interpolate(images, size=size, mode="bicubic", antialias=True).clamp(-1, 1)
