"""FastGAN's self-supervision: decoders draw the reals again from what the discriminator keeps of them."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.auxiliary.term import Auxiliary
from gan_lab.common.scalars import Scalar

DOUBLINGS = (
    2  # of a decoder: half of the features' places become as many pixels as all have times two
)


def quarters(numbers: Tensor, planes: Tensor) -> Tensor:
    """One quarter of each image: by numbers (N,) uniform in [0, 1), of planes (N, C, H, W), as (N, C, H / 2, W / 2)."""
    _, _, height, width = planes.shape
    parts = planes.unflatten(3, (2, width // 2)).unflatten(2, (2, height // 2))
    parts = parts.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
    chosen = (numbers * 4).long().clamp(max=3)
    return parts[torch.arange(len(planes), device=planes.device), chosen]


class Reconstruction(Auxiliary):
    """E|G(f) - T(x)|: arXiv:2101.04775, section 3.2, eq. 2, on reals, for the discriminator alone.

    Two decoders read its features of places: one draws the whole image, one a quarter of it. The paper compares them
    by a perceptual distance; here it is the mean absolute difference (L1).

    Args:
        local_dim: channels of the discriminator's features of places.
        channels: of the images.
        weight: the discriminator's factor, >= 0, or a schedule.
        width: channels of the decoders, >= 1.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"local"})

    def __init__(
        self, *, local_dim: int, channels: int, weight: Scalar = 1.0, width: int = 32
    ) -> None:
        super().__init__(weight=weight)
        self.whole = _decoder(local_dim, channels, width)
        self.part = _decoder(local_dim, channels, width)

    def discriminator(self, play: Any) -> Tensor:
        """Return the sum of both mean absolute differences, shape ()."""
        places, images = play.on_real.local, play.seen["real"].detach().float()
        numbers = play.uniform("reconstruction", (play.size,))
        part = self.part(quarters(numbers, places))
        return _difference(self.whole(places), images) + _difference(
            part, quarters(numbers, images)
        )


def _difference(drawn: Tensor, wanted: Tensor) -> Tensor:
    """The mean absolute difference at the decoder's size."""
    return (drawn.float() - F.interpolate(wanted, drawn.shape[2:], mode="area")).abs().mean()


def _decoder(local_dim: int, channels: int, width: int) -> nn.Sequential:
    """Places (N, local_dim, h, w) to pixels (N, channels, 4 h, 4 w) in [-1, 1]."""
    layers: list[nn.Module] = []
    for inputs in [local_dim] + [width] * (DOUBLINGS - 1):
        layers += [
            nn.Upsample(scale_factor=2), nn.Conv2d(inputs, 2 * width, 3, padding=1, bias=False),
            nn.BatchNorm2d(2 * width), nn.GLU(1),
        ]  # fmt: skip
    return nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1), nn.Tanh())
