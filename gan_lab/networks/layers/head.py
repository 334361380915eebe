"""The layer behind the logits."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LogitHead(nn.Linear):
    """A linear layer to one logit, in float32 whatever the precision of the layers before.

    A loss's gradients of reals and fakes nearly cancel in the logits' bias: rounded to bfloat16 they cancel wholly.

    Args:
        features: F, entries of its input.
        label_dim: of labels that are projected upon the features; None leaves labels out.
    """

    def __init__(self, features: int, label_dim: int | None = None) -> None:
        super().__init__(features, 1)
        self.projection: Projection | None = None
        if label_dim is not None:
            self.projection = Projection(features, label_dim)

    def linears(self) -> Iterator[nn.Linear]:
        """Itself and its projection, for whoever draws initial weights."""
        yield self
        if self.projection is not None:
            yield self.projection

    def forward(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map features (N, F) and labels (N, label_dim) to logits (N,) in the precision of the weights."""
        with torch.autocast(features.device.type, enabled=False):
            features = features.to(self.weight.dtype)
            logits = F.linear(features, self.weight, self.bias).squeeze(1)
            if self.projection is not None:
                logits = logits + self.projection(features, labels)
            return logits


class Projection(nn.Linear):
    """The inner product of features with the vectors of their labels: arXiv:1802.05637, eq. 3, y^T V phi(x).

    Its weight (F, label_dim) has a vector of each label as a column.
    """

    def __init__(self, features: int, label_dim: int) -> None:
        super().__init__(label_dim, features, bias=False)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]
        """Map features (N, F) and labels (N, label_dim) to (N,)."""
        return (F.linear(labels.to(features.dtype), self.weight) * features).sum(dim=1)
