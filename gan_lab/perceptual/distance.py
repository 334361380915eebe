"""How far apart two images look: distances between the features of a network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab.perceptual.small import small_network

SMALLEST = 8  # pixels of a side


class PerceptualDistance(nn.Module):
    """Distance of images, by unit-length features of each stage: arXiv:1801.03924, eq. 1 with all weights 1.

    The network is the project's own small one, which `scripts/train_perceptual.py` made, so values compare with
    values of the same name only, never with published LPIPS. The pixels themselves are one more stage.

    Attributes:
        name: of the network; stands beside every number that it gave.
    """

    name = "gan_lab small perceptual network, CIFAR-10 classifier"

    def __init__(self) -> None:
        super().__init__()
        self.network, self.sha256 = small_network()

    def features(self, images: Tensor) -> list[Tensor]:
        """Maps of images (N, C, H, W) in [-1, 1], C 1 or 3, each place scaled to length 1; the last are the pixels.

        Raises:
            ValueError: if C is neither 1 nor 3, or a side has fewer than 8 pixels.
        """
        if images.shape[1] not in (1, 3) or min(images.shape[2:]) < SMALLEST:
            raise ValueError(f"expected images (N, 1 or 3, >= 8, >= 8), got {tuple(images.shape)}")
        colours = images.float().expand(-1, 3, -1, -1)
        return [*(F.normalize(maps, dim=1) for maps in self.network(colours)), colours]

    def forward(self, images: Tensor, others: Tensor) -> Tensor:
        """Distances (N,) >= 0 of images (N, C, H, W) in [-1, 1] and as many others; 0 for equal ones."""
        return self.between(self.features(images), self.features(others))

    def between(self, features: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
        """Distances (N,) of what `features` gave for images and for others, or for one other (1, ...)."""
        stages = [
            (own - other).square().sum(dim=1).mean(dim=(1, 2))
            for own, other in zip(features, others, strict=True)
        ]
        return torch.stack(stages).sum(dim=0)
