"""The layer behind the logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LogitHead(nn.Linear):
    """A linear layer to one logit, in float32 whatever the precision of the layers before.

    A loss's gradients of reals and fakes nearly cancel in the logits' bias: rounded to bfloat16 they cancel wholly.
    """

    def __init__(self, features: int) -> None:
        super().__init__(features, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (N, F) to logits (N,) in the precision of the weights."""
        with torch.autocast(features.device.type, enabled=False):
            return F.linear(features.to(self.weight.dtype), self.weight, self.bias).squeeze(1)
