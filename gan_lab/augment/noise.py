"""Instance noise: Gaussian noise on what the discriminator sees, usually less and less of it."""

from __future__ import annotations

from torch import Tensor

from gan_lab.augment.part import Augmentation, Draw
from gan_lab.common.scalars import Scalar


class InstanceNoise(Augmentation):
    """x + std * e with e standard normal, of each pixel by itself: arXiv:1610.04490.

    Reals and fakes overlap under noise, so that the discriminator cannot be sure. The paper lets the noise shrink to
    nothing during training, which is a schedule of `std`.

    Args:
        std: of the noise on pixels in [-1, 1], >= 0, or a schedule.
    """

    def __init__(self, *, std: Scalar = 0.1) -> None:
        super().__init__(std=std)

    def forward(self, images: Tensor, draw: Draw) -> Tensor:
        """Map images (N, C, H, W) to noisy ones, no longer bounded."""
        return images + self.now["std"] * draw.normal("noise", tuple(images.shape))
