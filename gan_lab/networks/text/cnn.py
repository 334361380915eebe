"""A convolutional judge of sequences of tokens, with a highway layer.

SeqGAN, arXiv:1609.05473, "the discriminative model for sequences": embedding, convolutions over windows of several
lengths, the maximum over time, a highway layer (arXiv:1505.00387), a logit. Initial weights from the authors' recipe
(LantaoYu/SeqGAN). Departure: no weight decay of the last layer in the loss.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.networks.layers.head import LogitHead
from gan_lab.networks.output import DiscriminatorOutput

Layer = TypeVar("Layer", nn.Conv1d, LogitHead)


class TextCnnDiscriminator(nn.Module):
    """Judges tokens int64 (N, length), or mixtures of tokens float (N, length, vocab_size).

    Args:
        vocab_size: tokens that exist.
        length: tokens of a sequence.
        width: feature maps of a window whose share is 1, >= 1.
        windows: lengths of the windows, each >= 1; those longer than a sequence are left out.
        shares: of each window, multiplies `width`, > 0.
        embedding: numbers that stand for a token, >= 1.
        dropout: chance that a feature is dropped before the last layer, [0, 1).
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        length: int,
        width: int = 100,
        windows: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20),
        shares: tuple[float, ...] = (1, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1.6, 1.6),
        embedding: int = 64,
        dropout: float = 0.25,
    ) -> None:
        super().__init__()
        in_range("width", width, low=1)
        in_range("embedding", embedding, low=1)
        in_range("dropout", dropout, low=0, below=1)
        maps = _maps(width, windows, shares, length)
        self.embedding = nn.Embedding(vocab_size, embedding)
        nn.init.uniform_(self.embedding.weight, -1, 1)
        self.convolutions = nn.ModuleList(
            _init(nn.Conv1d(embedding, count, window)) for window, count in maps.items()
        )
        self.feature_dim = sum(maps.values())
        self.highway = Highway(self.feature_dim)
        self.dropout = nn.Dropout(dropout)
        self.head = _init(LogitHead(self.feature_dim))

    def forward(self, tokens: Tensor) -> DiscriminatorOutput:
        """Judge tokens (N, length) or mixtures (N, length, vocab_size); features are (N, feature_dim)."""
        mixed = tokens.is_floating_point()
        embedded = tokens @ self.embedding.weight if mixed else self.embedding(tokens)
        rows = embedded.transpose(1, 2)
        pooled = [F.relu(layer(rows)).amax(dim=2) for layer in self.convolutions]
        features = self.highway(torch.cat(pooled, dim=1))
        return DiscriminatorOutput(self.head(self.dropout(features)), features)


class Highway(nn.Module):
    """A gate between a layer and its input: t * relu(W x) + (1 - t) * x with t = sigmoid(W' x), (N, F) to (N, F).

    Highway Networks, arXiv:1505.00387, eq. 3. The gate's bias starts at -2, so that the input passes at first.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.layer = nn.Linear(features, features)
        self.gate = nn.Linear(features, features)
        nn.init.constant_(self.gate.bias, -2.0)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, F) to (N, F)."""
        gate = torch.sigmoid(self.gate(x))
        return gate * F.relu(self.layer(x)) + (1 - gate) * x


def _maps(
    width: int, windows: tuple[int, ...], shares: tuple[float, ...], length: int
) -> dict[int, int]:
    """Feature maps by window.

    Raises:
        ConfigError: if no window fits, one is repeated, or the lists are of different lengths.
    """
    if len(windows) != len(shares) or len(set(windows)) < len(windows):
        raise ConfigError(
            f"windows={list(windows)}: must be different lengths, one for each of the {len(shares)} shares."
        )
    for window, share in zip(windows, shares, strict=True):
        in_range("windows", window, low=1)
        in_range("shares", share, above=0)
    maps = {
        window: max(round(width * share), 1)
        for window, share in zip(windows, shares, strict=True)
        if window <= length
    }
    if not maps:
        raise ConfigError(
            f"windows={list(windows)}: all are longer than a sequence of {length} tokens."
        )
    return maps


def _init(layer: Layer) -> Layer:
    """Draw weights N(0, 0.1), cut at two standard deviations; biases are 0.1."""
    nn.init.trunc_normal_(layer.weight, std=0.1, a=-0.2, b=0.2)
    if layer.bias is not None:
        nn.init.constant_(layer.bias, 0.1)
    return layer
