"""What JPEG takes away: fine detail of blocks of 8 x 8 pixels (ITU-T T.81; arXiv:2107.10833, section 3.1)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab.common.ranges import in_range
from gan_lab.degrade.lab import mixed
from gan_lab.degrade.part import Draw

BLOCK = 8
# Steps for a quality of 50, rows of growing frequency downwards: ITU-T T.81, tables K.1 and K.2.
LIGHT = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55), (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62), (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
COLOUR = (
    (17, 18, 24, 47, 99, 99, 99, 99), (18, 21, 26, 66, 99, 99, 99, 99), (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99), *((99,) * 8 for _ in range(4)),
)  # fmt: skip
# Of red, green and blue, levels of 0 to 255: ITU-T T.871, section 7; colours around 128.
TO_YCBCR = (
    (0.299, 0.587, 0.114),
    (-0.168736, -0.331264, 0.5),
    (0.5, -0.418688, -0.081312),
)
FROM_YCBCR = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


class Jpeg(nn.Module):
    """Compression by JPEG of a quality that is drawn for each image, without the part that loses nothing.

    Colours become light and two differences, blocks become frequencies, and these are rounded to steps that grow as
    the quality falls. Images of another number of channels than three are light alone.

    Args:
        low: smallest quality, in [1, 100].
        high: largest, in [low, 100].
        halve: keep the two differences at half of the size (4:2:0), as cameras do.
    """

    tables: Tensor
    basis: Tensor

    def __init__(self, *, low: float = 30.0, high: float = 95.0, halve: bool = True) -> None:
        super().__init__()
        in_range("low", low, low=1, high=100)
        in_range("high", high, low=low, high=100)
        self.low, self.high, self.halve = low, high, halve
        # Not saved: they are constants, which move with the game.
        self.register_buffer("tables", torch.tensor([LIGHT, COLOUR]).float(), persistent=False)
        self.register_buffer("basis", _cosines(), persistent=False)

    def forward(self, images: Tensor, draw: Draw) -> Tensor:
        """Map images (N, C, H, W) in [-1, 1] to images of the same shape and range."""
        drawn = draw.uniform("quality", (len(images), 1))[:, 0].to(images.device)
        quality = (self.low + (self.high - self.low) * drawn).round()
        levels = ((images + 1) * 127.5).round()
        if images.shape[1] != 3:
            found = self._coded(levels - 128, quality, 0) + 128
        else:
            light = mixed(TO_YCBCR[0], levels).round()
            colours = torch.cat([mixed(row, levels) for row in TO_YCBCR[1:]], dim=1).round()
            planes = [self._coded(light - 128, quality, 0) + 128, self._colours(colours, quality)]
            found = torch.cat([mixed(row, torch.cat(planes, dim=1)) for row in FROM_YCBCR], dim=1)
        return found.round().clamp(0, 255) / 127.5 - 1

    def _colours(self, planes: Tensor, quality: Tensor) -> Tensor:
        """The two differences of colour (N, 2, H, W), around 0, at half of the size where that is asked."""
        height, width = planes.shape[2:]
        if not self.halve:
            return self._coded(planes, quality, 1)
        even = F.pad(planes, (0, width % 2, 0, height % 2), mode="replicate")
        small = self._coded(F.avg_pool2d(even, 2).round(), quality, 1)
        large = F.interpolate(small, scale_factor=2, mode="bilinear").round()
        return large[:, :, :height, :width]

    def _coded(self, planes: Tensor, quality: Tensor, table: int) -> Tensor:
        """Planes (N, C, H, W) of whole levels around 0, through rounded frequencies of their blocks and back."""
        height, width = planes.shape[2:]
        filled = F.pad(planes, (0, -width % BLOCK, 0, -height % BLOCK), mode="replicate")
        count, channels, tall, wide = filled.shape
        blocks = filled.view(count, channels, tall // BLOCK, BLOCK, wide // BLOCK, BLOCK)
        blocks = blocks.transpose(3, 4)  # (..., 8 rows, 8 columns)
        basis = self.basis.to(planes.device)  # samples are made of rows on the host
        steps = _steps(self.tables[table].to(planes.device), quality)[:, None, None, None]
        waves = ((basis @ blocks @ basis.T) / steps).round() * steps
        back = (
            (basis.T @ waves @ basis).transpose(3, 4).reshape(filled.shape)[:, :, :height, :width]
        )
        return back.round().clamp(-128, 127)


def _steps(table: Tensor, quality: Tensor) -> Tensor:
    """Steps (N, 8, 8) of qualities (N,), as the Independent JPEG Group scales a table for a quality of 50."""
    percent = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)
    return ((table * percent[:, None, None] + 50) / 100).floor().clamp(1, 255)


def _cosines() -> Tensor:
    """The orthonormal cosine transform of 8 values, (frequencies, places): ITU-T T.81, A.3.3."""
    rows = [
        [math.cos((2 * place + 1) * wave * math.pi / (2 * BLOCK)) / 2 for place in range(BLOCK)]
        for wave in range(BLOCK)
    ]
    rows[0] = [value / math.sqrt(2) for value in rows[0]]
    return torch.tensor(rows)
