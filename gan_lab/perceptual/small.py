"""The perceptual network that ships with the package: small, in colour, and trained by a script of the project."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import torch
from torch import Tensor, nn

WIDTHS = (16, 32, 64, 128)  # channels of each stage; a stage halves the side of the one before
WEIGHTS = Path(__file__).resolve().parents[1] / "assets" / "perceptual.pt"


class PerceptualNetwork(nn.Module):
    """Two 3 x 3 convolutions a stage, in the manner of VGG (arXiv:1409.1556), and a linear head for its training.

    Args:
        classes: answers of the head.
        widths: channels of each stage.
    """

    def __init__(self, *, classes: int = 10, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        inputs = 3
        for width in widths:
            self.stages.append(
                nn.Sequential(*convolution(inputs, width), *convolution(width, width))
            )
            inputs = width
        self.pool = nn.AvgPool2d(2)
        self.head = nn.Linear(inputs, classes)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images (N, 3, H, W) in [-1, 1], of any size >= 8, to one map (N, width, h, w) per stage."""
        found: list[Tensor] = []
        for stage in self.stages:
            images = stage(self.pool(images) if found else images)
            found.append(images)
        return found

    def classify(self, images: Tensor) -> Tensor:
        """Map images (N, 3, H, W) in [-1, 1] to logits (N, classes)."""
        return self.head(self(images)[-1].mean(dim=(2, 3)))


def convolution(inputs: int, outputs: int) -> list[nn.Module]:
    """A convolution that keeps the side, normalised over the batch in training."""
    return [
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    ]


def small_network() -> tuple[PerceptualNetwork, str]:
    """The network with its trained weights, which never move, and their SHA-256."""
    raw = WEIGHTS.read_bytes()
    state = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    with torch.random.fork_rng(devices=[]):  # building draws weights that are then replaced
        network = PerceptualNetwork()
    network.load_state_dict(state)
    return network.requires_grad_(False).eval(), hashlib.sha256(raw).hexdigest()
