"""An input of a synthesis network that is known at every place of the plane: waves, which a style moves and turns."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.networks.layers.equalised import EqualisedLinear


class FourierInput(nn.Module):
    """Waves of fixed frequencies, moved and turned as a style says, and a learned mixture of them.

    Alias-Free Generative Adversarial Networks, arXiv:2106.12423, section 3.2 (Fourier features, config B; transformed
    features, config H) and appendix F. Frequencies are uniform in a disc. The learned map begins by moving and turning
    nothing.

    Attributes:
        frequencies: (channels, 2), across and down, in waves for a side of the image.
        phases: (channels,), in waves.

    Args:
        channels: waves, and planes that come out.
        size: pixels of a side that come out; they lie around the image's centre.
        rate: of them, so many for a side of the image.
        band: highest frequency, > 0.
        style_dim: numbers of a style.
    """

    frequencies: Tensor
    phases: Tensor
    places: Tensor

    def __init__(self, channels: int, *, size: int, rate: int, band: float, style_dim: int) -> None:
        super().__init__()
        angle, radius = 2 * math.pi * torch.rand(channels), band * torch.rand(channels).sqrt()
        waves = torch.stack([angle.cos(), angle.sin()], dim=1) * radius[:, None]
        self.register_buffer("frequencies", waves)
        self.register_buffer("phases", torch.rand(channels) - 0.5)
        places = (torch.arange(size) - (size - 1) / 2) / rate
        self.register_buffer("places", places, persistent=False)
        self.move = EqualisedLinear(style_dim, 4)
        with torch.no_grad():
            self.move.weight.zero_()
            self.move.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.scale = 1 / math.sqrt(channels)

    def forward(self, style: Tensor, shift: Tensor | None = None) -> Tensor:
        """Planes (N, channels, size, size) of styles (N, style_dim), moved by more sides (N, 2) across and down."""
        with torch.autocast(style.device.type, enabled=False):
            waves = self._waves(style.float(), shift)
        mixed = F.linear(waves, self.weight * self.scale)
        return mixed.permute(0, 3, 1, 2)

    def _waves(self, style: Tensor, shift: Tensor | None) -> Tensor:
        """Each wave at each place (N, size, size, channels), in float32: phases are too large for fewer digits."""
        found = self.move(style)
        # Whatever their length, the first two are the cosine and sine of an angle; the move is in their unit too.
        turn, move = (found / found[:, :2].norm(dim=1, keepdim=True)).split(2, dim=1)
        cosine, sine = turn.split(1, dim=1)
        across, down = self.frequencies.T
        across, down = cosine * across - sine * down, sine * across + cosine * down
        if shift is not None:
            move = move + shift
        # What an image shows at x, the image moved by t shows at x + t.
        phases = self.phases - across * move[:, :1] - down * move[:, 1:]
        rows = down[:, None] * self.places[:, None] + phases[:, None]
        columns = across[:, None] * self.places[:, None]
        return (2 * math.pi * (rows[:, :, None] + columns[:, None])).sin()
