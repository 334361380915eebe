"""Layers of transformers over tokens (N, T, W): attention, a block, and the tokens of an image's patches."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range


class Attention(nn.Module):
    """Every token reads from all others, in several heads: Attention Is All You Need, arXiv:1706.03762, section 3.2.

    Computed by torch's fused kernel where the network is differentiated once, and written out where it is twice.

    Args:
        width: W of the tokens.
        head_width: numbers that one head compares; a divisor of `width`, or more than it for one head.
    """

    def __init__(self, width: int, head_width: int) -> None:
        super().__init__()
        head_width = min(head_width, width)
        if width % head_width:
            raise ConfigError(
                f"head_width={head_width}: must divide width={width}; choose another of the two."
            )
        self.heads = width // head_width
        # No bias: that of keys changes nothing, since a softmax does not see a number added to all of its inputs.
        self.joint = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, T, W) to the same shape."""
        count, length, width = tokens.shape
        joint = self.joint(tokens).view(count, length, 3, self.heads, width // self.heads)
        queries, keys, values = joint.permute(2, 0, 3, 1, 4).unbind(0)
        read = F.scaled_dot_product_attention(queries, keys, values)
        return self.output(read.transpose(1, 2).reshape(count, length, width))


class TransformerBlock(nn.Module):
    """x + attention(norm(x)), then x + layers(norm(x)): arXiv:2010.11929, eqs. 2 and 3, with GELU in between.

    With `style_dim`, a style sets gain and bias of both norms and a factor of both branches: Scalable Diffusion Models
    with Transformers, arXiv:2212.09748, section 3.2, adaLN.

    Args:
        width: W of the tokens.
        head_width: of the attention.
        expansion: times as many units inside the layers, > 0.
        style_dim: numbers of a style; None is without.
        gate: the branches' factors at first. At 0 (adaLN-Zero) styles change nothing at first either.
    """

    def __init__(
        self,
        width: int,
        *,
        head_width: int,
        expansion: float = 4.0,
        style_dim: int | None = None,
        gate: float = 1.0,
    ) -> None:
        super().__init__()
        inside = max(round(width * expansion), 1)
        own = style_dim is None
        self.norm1 = nn.LayerNorm(width, elementwise_affine=own, eps=1e-6)
        self.attention = Attention(width, head_width)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=own, eps=1e-6)
        self.layers = nn.Sequential(nn.Linear(width, inside), nn.GELU(), nn.Linear(inside, width))
        draw_xavier(self)
        self.style: nn.Linear | None = None
        if style_dim is not None:
            self.style = nn.Linear(style_dim, 6 * width)
            if gate == 0:
                nn.init.zeros_(self.style.weight)
            nn.init.zeros_(self.style.bias)
            nn.init.constant_(self.style.bias[4 * width :], gate)

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        """Map tokens (N, T, W), by styles (N, style_dim) where there are some, to tokens of the same shape."""
        if self.style is None:
            x = x + self.attention(self.norm1(x))
            return x + self.layers(self.norm2(x))
        parts = self.style(style)[:, None].chunk(6, dim=2)
        gain1, bias1, gain2, bias2, gate1, gate2 = parts
        x = x + gate1 * self.attention(torch.addcmul(bias1, self.norm1(x), 1 + gain1))
        return x + gate2 * self.layers(torch.addcmul(bias2, self.norm2(x), 1 + gain2))


class Patches(nn.Module):
    """An image cut into squares, each a token by one linear map, plus a learnt position: arXiv:2010.11929, eq. 1.

    Args:
        resolution: side of the images, a multiple of `patch`.
        channels: of the images.
        width: W of the tokens.
        patch: side of a square.
    """

    def __init__(self, resolution: int, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.linear = nn.Conv2d(channels, width, patch, stride=patch)
        draw_xavier(self)
        self.positions = nn.Parameter(0.02 * torch.randn(patches(resolution, patch), width))

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, channels, H, W) to tokens (N, T, width), row by row."""
        return self.linear(images).flatten(2).transpose(1, 2) + self.positions


class Pixels(nn.Module):
    """A norm and one linear map from each token to the pixels of its square; the last layer of a generator.

    Args:
        channels: of the images.
        width: W of the tokens.
        patch: side of a square in pixels.
        side: of an image in squares.
        zero: whether images are 0 at first.
    """

    def __init__(
        self, channels: int, width: int, patch: int, *, side: int, zero: bool = False
    ) -> None:
        super().__init__()
        self.patch, self.side = patch, side
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.linear = nn.Linear(width, channels * patch**2)
        draw_xavier(self)
        if zero:
            nn.init.zeros_(self.linear.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (N, side^2, width) to images (N, channels, H, W)."""
        grid = (self.side, self.side)
        planes = self.linear(self.norm(tokens)).transpose(1, 2).unflatten(2, grid)
        return F.pixel_shuffle(planes, self.patch)


def patches(resolution: int, patch: int) -> int:
    """Squares that an image has.

    Raises:
        ConfigError: if they do not fill it.
    """
    in_range("patch", patch, low=1)
    if resolution % patch:
        raise ConfigError(
            f"patch={patch}: must divide data.resolution={resolution}; choose another of the two."
        )
    return (resolution // patch) ** 2


def draw_xavier(network: nn.Module) -> None:
    """Draw linear maps uniformly with variance 2 / (fan in + fan out), as arXiv:2010.11929 has them; biases are 0."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(module.weight.view(len(module.weight), -1))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
