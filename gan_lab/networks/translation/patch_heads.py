"""The heads of PatchNCE, arXiv:2007.15651, section 3: small networks that embed the features of patches."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.common.ranges import in_range


class PatchHeads(nn.Module):
    """A perceptron of two layers for each layer of a generator's encoder.

    Args:
        channels: of each of these layers.
        width: of the perceptrons, and entries of an embedded patch, >= 1.
    """

    multiple = 1  # of sides of images that it takes: it knows of places only

    def __init__(self, channels: Sequence[int], *, width: int) -> None:
        super().__init__()
        in_range("head_width", width, low=1)
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(one, width), nn.ReLU(), nn.Linear(width, width))
            for one in channels
        )

    def forward(self, layer: int, patches: Tensor) -> Tensor:
        """Embed patches (N, S, C) of this layer as vectors of length 1, shape (N, S, width), float32."""
        return F.normalize(self.heads[layer](patches).float(), dim=2)
