"""Self-attention: every place of an image reads from all others."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.common.errors import ConfigError


class SelfAttention(nn.Module):
    """x + scale * output(attention(query(x), key(x), value(x))): arXiv:1805.08318, eqs. 1 to 3.

    The layers are 1x1 convolutions without a bias, and `scale`, the paper's gamma, is 0 at first. Queries and keys have
    an eighth of the channels. Other than in the equations, and as in the networks that the authors published, values
    have half of them, and keys and values are the largest of each 2x2 places, for a quarter of the cost.

    Args:
        channels: C of the features (N, C, H, W), H and W even.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        few, half = max(channels // 8, 1), max(channels // 2, 1)
        self.query = nn.Conv2d(channels, few, 1, bias=False)
        self.key = nn.Conv2d(channels, few, 1, bias=False)
        self.value = nn.Conv2d(channels, half, 1, bias=False)
        self.output = nn.Conv2d(half, channels, 1, bias=False)
        self.scale = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        queries = self.query(x).flatten(2)
        keys = F.max_pool2d(self.key(x), 2).flatten(2)
        values = F.max_pool2d(self.value(x), 2).flatten(2)
        # Written out: torch's fused attention cannot be differentiated twice, as gradient penalties do.
        weights = (queries.transpose(1, 2) @ keys).softmax(dim=2)
        read = values @ weights.transpose(1, 2)
        return x + self.scale * self.output(read.unflatten(2, x.shape[2:]))


def attends(resolution: int, *, at: int | None, images: int) -> bool:
    """Whether places attend to each other in the layer of this many px.

    Args:
        resolution: of the layer.
        at: where they shall, 8 px or more, at most half the images'; None is nowhere.
        images: resolution of the images.

    Raises:
        ConfigError: if networks that double have no such layer.
    """
    if at is None:
        return False
    if at < 8 or at & (at - 1):
        raise ConfigError(f"attention={at}: must be 8, 16, 32, 64 or 128, or null for none.")
    return resolution == min(at, images // 2)
