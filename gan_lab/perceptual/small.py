"""The perceptual network that ships with the package: small, in colour, and trained by a script of the project."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

WIDTHS = (16, 32, 64, 128)  # channels of each stage; a stage halves the side of the one before
STAGES = tuple(f"stage{number + 1}" for number in range(len(WIDTHS)))
WEIGHTS = Path(__file__).resolve().parents[1] / "assets" / "perceptual.pt"


class PerceptualNetwork(nn.Module):
    """Two 3 x 3 convolutions a stage, in the manner of VGG (arXiv:1409.1556), and a linear head for its training.

    Args:
        classes: answers of the head.
        widths: channels of each stage.

    Attributes:
        name: of the network.
        sha256: of the file of its weights; empty where they are drawn.
    """

    name = "gan_lab small perceptual network, CIFAR-10 classifier"
    sha256 = ""

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

    def forward(self, images: Tensor, layers: Sequence[str] = STAGES) -> list[Tensor]:
        """Map images (N, 3, H, W) in [-1, 1], of any size >= 8, to a map (N, width, h, w) for each of these stages."""
        found: dict[str, Tensor] = {}
        for name, stage in zip(STAGES, self.stages, strict=False):
            images = stage(self.pool(images) if found else images)
            found[name] = images
            if found.keys() >= set(layers):
                break
        return [found[name] for name in layers]

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


def channels_of(layer: str) -> int:
    """Planes that a stage gives."""
    return WIDTHS[STAGES.index(layer)]


def halvings_of(layer: str) -> int:
    """How often a stage's planes are halved."""
    return STAGES.index(layer)


def small_network() -> PerceptualNetwork:
    """The network with its trained weights."""
    raw = WEIGHTS.read_bytes()
    state = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    network = PerceptualNetwork()
    network.load_state_dict(state)
    network.sha256 = hashlib.sha256(raw).hexdigest()
    return network
