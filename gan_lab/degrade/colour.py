"""Less colour: what colorisation shall undo."""

from __future__ import annotations

from torch import Tensor, nn

from gan_lab.degrade.part import Draw

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601


class Grey(nn.Module):
    """The luminance of an image, in each of its channels: arXiv:1611.07004, section 4, grey to colour."""

    def __init__(self) -> None:
        super().__init__()

    def forward(self, images: Tensor, draw: Draw) -> Tensor:
        """Map images (N, C, H, W) to grey ones of the same shape."""
        del draw
        return self.of_given(images, None)

    def of_given(self, images: Tensor, alpha: Tensor | None) -> Tensor:
        """Images (N, C, H, W) that a person gives, without what colours they have."""
        del alpha
        weights = images.new_tensor(LUMINANCE).view(1, -1, 1, 1)
        if images.shape[1] != len(LUMINANCE):
            return images
        return (images * weights).sum(dim=1, keepdim=True).expand_as(images)
