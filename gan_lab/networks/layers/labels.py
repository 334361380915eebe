"""How labels reach layers deep inside a network."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TakesLabels:
    """Marks a layer that is called with labels (N, L) behind its input, or None where it has no use for them."""


def call(layer: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
    """The layer on x, and on labels where it takes them."""
    found: Tensor = layer(x, labels) if isinstance(layer, TakesLabels) else layer(x)
    return found


class LabelledSequential(TakesLabels, nn.Sequential):
    """nn.Sequential, with the same names in state_dict, that hands labels to the layers that take them."""

    def forward(self, input: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map x through all layers."""
        for layer in self:
            input = call(layer, input, labels)
        return input


class LabelEmbedding(nn.Module):
    """A vector for each label, 0 at first; those of several labels at once are added.

    No linear layer of torch's, so that spectral norm and orthogonal penalties, which are for layers, pass it by.

    Args:
        label_dim: number of classes or attributes.
        size: numbers of a vector.
    """

    def __init__(self, label_dim: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(label_dim, size))

    def forward(self, labels: Tensor) -> Tensor:
        """Map labels (N, label_dim) to (N, size)."""
        return labels @ self.weight
