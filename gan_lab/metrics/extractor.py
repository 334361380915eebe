"""What a metric asks of a network that turns images into features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gan_lab.metrics.isolation import exact_float32

FULL_PRECISION = "32-true"


class Extractor:
    """A fixed network and what identifies it; never a child of a LightningModule.

    As a submodule Inception would add 96 MB to every checkpoint.

    Attributes:
        name: the network, in words.
        dim: length of a feature vector.
        resize: how images of any size are brought to the network, in words.
        weights: name of the weights, known or the file's.
        sha256: of the weights' file.
        precision: of the network's arithmetic; its features are float32 either way.
        cpu_batch: images at once on a CPU, where larger batches wait for memory; changes no value.
    """

    name: str
    dim: int
    resize: str
    weights: str
    sha256: str
    precision: str = FULL_PRECISION
    cpu_batch: int = 128

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @property
    def exact_device(self) -> torch.device:
        """Where float64 sums are kept: Apple's GPUs have no float64."""
        return torch.device("cpu") if self.device.type == "mps" else self.device

    def features(self, images: Tensor) -> Tensor:
        """Map uint8 images (N, C, H, W) on any device to float32 features (N, dim) on `device`."""
        at_once = self.cpu_batch if self.device.type == "cpu" else max(1, len(images))
        with exact_float32(self.device):
            parts = [self.forward(part) for part in images.to(self.device).split(at_once)]
        return torch.cat(parts).float()

    def forward(self, images: Tensor) -> Tensor:
        """Do what `features` promises, once precision and device are settled."""
        raise NotImplementedError

    def identity(self) -> dict[str, Any]:
        """Return what decides a feature's value, for the protocol and the key of statistics."""
        return {
            "extractor": self.name,
            "weights": self.weights,
            "weights_sha256": self.sha256,
            "feature": self.dim,
            "resize": self.resize,
            "features_precision": self.precision,
        }
