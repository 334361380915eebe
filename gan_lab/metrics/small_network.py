"""The small classifier whose features metrics=small compares, and how images are brought to it."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZE = 32
FEATURES = 128
LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601
RESIZE = (
    "28 pixels: a black border of 2; 32: none; other sizes: bilinear, antialiased, to 32; "
    "colours: luminance 0.299 R + 0.587 G + 0.114 B"
)


class SmallNetwork(nn.Module):
    """Four convolutions and a linear head, for images of 32 x 32 pixels.

    The features are the last convolution's outputs averaged over their 4 x 4 places, so that they
    still tell how an image is drawn, which the logits of a good classifier no longer do.

    Args:
        classes: answers of the head.
        channels: of the images.
    """

    def __init__(self, *, classes: int = 10, channels: int = 1) -> None:
        super().__init__()
        widths = (channels, 16, 32, 64, FEATURES)
        layers: list[nn.Module] = []
        for stage, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
            stride = 1 if stage == 0 else 2
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear(FEATURES, classes)

    def features(self, pixels: Tensor) -> Tensor:
        """Map float images (N, channels, 32, 32) in [-1, 1] to features (N, 128)."""
        return self.trunk(pixels).mean(dim=(2, 3))

    def forward(self, pixels: Tensor) -> Tensor:
        """Map float images (N, channels, 32, 32) in [-1, 1] to logits (N, classes)."""
        return self.head(self.features(pixels))


def to_small(images: Tensor) -> Tensor:
    """Bring uint8 images (N, C, H, W), grey or RGB, of any size to float (N, 1, 32, 32) in [-1, 1].

    `RESIZE` says the same in words; it stands in the protocol of every value.

    Raises:
        ValueError: if the images are not uint8, or C is neither 1 nor 3.
    """
    if images.dtype != torch.uint8 or images.dim() != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"expected uint8 images (N, 1 or 3, H, W), got {images.dtype} {images.shape}"
        )
    pixels = images.float()
    if images.shape[1] == 3:
        weights = pixels.new_tensor(LUMINANCE).view(1, 3, 1, 1)
        pixels = (pixels * weights).sum(dim=1, keepdim=True)
    return to_size(pixels)


def to_size(pixels: Tensor) -> Tensor:
    """Bring float images (N, C, H, W) in [0, 255] to (N, C, 32, 32) in [-1, 1], as `RESIZE` says."""
    if pixels.shape[2:] == (28, 28):
        pixels = F.pad(pixels, (2, 2, 2, 2))
    elif pixels.shape[2:] != (SIZE, SIZE):
        pixels = F.interpolate(
            pixels, size=(SIZE, SIZE), mode="bilinear", align_corners=False, antialias=True
        )
    return pixels / 127.5 - 1
