"""Less colour: what colorisation shall undo."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_lab.degrade.lab import from_lab, levels, luminance, mixed, to_lab
from gan_lab.degrade.part import Draw

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601
WIDEST = 110.0  # the a* or b* that a generator's 1 stands for


class Grey(nn.Module):
    """The lightness of an image, in each of its channels: arXiv:1611.07004, section 4, grey to colour.

    In L*a*b* a generator makes the colours alone: its first two channels are a* and b*, and its others are not read.
    The lightness of the source is put back.

    Args:
        lab: L*a*b* (the grey of the same L*) in place of the luminance of ITU-R BT.601, for images of three channels.
    """

    def __init__(self, *, lab: bool = False) -> None:
        super().__init__()
        self.lab = lab

    def forward(self, images: Tensor, draw: Draw) -> Tensor:
        """Map images (N, C, H, W) to grey ones of the same shape."""
        del draw
        return self.of_given(images, None)

    def of_given(self, images: Tensor, alpha: Tensor | None) -> Tensor:
        """Images (N, C, H, W) that a person gives, without what colours they have."""
        del alpha
        if images.shape[1] != len(LUMINANCE):
            return images
        if self.lab:
            return (levels(luminance(images / 2 + 0.5)) * 2 - 1).expand_as(images)
        return mixed(LUMINANCE, images).expand_as(images)

    def put_back(self, made: Tensor, source: Tensor) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1] of a* and b* that were made and the source's L*; what was made without Lab."""
        if not self.lab or made.shape[1] != len(LUMINANCE):
            return made
        lightness = to_lab(source.float() / 2 + 0.5)[:, :1]
        lab = torch.cat([lightness, made.float()[:, :2] * WIDEST], dim=1)
        return from_lab(lab) * 2 - 1
