"""Masks as a brush leaves them: Free-Form Image Inpainting with Gated Convolution, arXiv:1806.03589, algorithm 1."""

from __future__ import annotations

import math

import torch
from torch import Tensor

TURN = 0.6 * math.pi  # the largest angle of a piece; the algorithm leaves it open
PER_STROKE = (
    6  # numbers of a stroke beside those of its pieces: place 2, pieces 1, width 1, flips 2
)
PER_PIECE = 2  # angle and length
THINNEST = 0.3  # of the widest brush: one without a width would leave nothing to fill


def numbers_of_strokes(strokes: int, pieces: int) -> int:
    """How many uniform numbers the strokes of one image take."""
    return strokes * (PER_STROKE + PER_PIECE * pieces)


def brushed(
    numbers: Tensor,
    side: tuple[int, int],
    *,
    strokes: int,
    pieces: int,
    length: float,
    brush: float,
) -> Tensor:
    """Which pixels lie under strokes of a brush.

    A stroke starts anywhere, and goes on by straight pieces that turn to the left and to the right in turn. Its ends
    and bends are round. It is mirrored by chance, each way.

    Args:
        numbers: uniform in [0, 1), (N, `numbers_of_strokes`).
        side: height and width in pixels.
        strokes: in an image.
        pieces: of a stroke, at most; at least one.
        length: of a piece at most, as a share of the shorter side.
        brush: its width at most, likewise.

    Returns:
        bool (N, H, W), of what is covered.
    """
    drawn = numbers.view(len(numbers), strokes, -1)
    grid = [torch.arange(n, device=numbers.device, dtype=numbers.dtype) + 0.5 for n in side]
    inside = torch.zeros(len(numbers), *side, dtype=torch.bool, device=numbers.device)
    for at in range(strokes):
        inside = inside | _stroke(drawn[:, at], grid, side, pieces, length, brush)
    return inside


def _stroke(
    own: Tensor, grid: list[Tensor], side: tuple[int, int], pieces: int, length: float, brush: float
) -> Tensor:
    """One stroke of each image by its own numbers (N, n): bool (N, H, W)."""
    unit = min(side)
    place = torch.stack([own[:, 0] * side[0], own[:, 1] * side[1]], dim=1)
    wanted = 1 + (own[:, 2] * pieces).floor()
    radius = (THINNEST + (1 - THINNEST) * own[:, 3]) * brush * unit / 2
    covered = torch.zeros(len(own), *side, dtype=torch.bool, device=own.device)
    for piece in range(pieces):
        turn, far = own[:, PER_STROKE + PER_PIECE * piece :][:, :PER_PIECE].unbind(dim=1)
        angle = turn * TURN * (-1 if piece % 2 == 0 else 1)
        step = torch.stack([angle.cos(), angle.sin()], dim=1) * far[:, None] * length * unit
        near = _distance(grid, place, step) <= radius[:, None, None]
        covered = covered | (near & (piece < wanted)[:, None, None])
        place = place + step
    return _mirrored(covered, own[:, 4:6] < 0.5)


def _distance(grid: list[Tensor], start: Tensor, step: Tensor) -> Tensor:
    """Of each pixel from the piece between `start` and `start + step`, both (N, 2) as (y, x): (N, H, W)."""
    y = grid[0][None, :, None] - start[:, 0, None, None]
    x = grid[1][None, None, :] - start[:, 1, None, None]
    dy, dx = step[:, 0, None, None], step[:, 1, None, None]
    along = ((y * dy + x * dx) / (dy.square() + dx.square()).clamp(min=1e-12)).clamp(0, 1)
    return ((y - along * dy).square() + (x - along * dx).square()).sqrt()


def _mirrored(planes: Tensor, flags: Tensor) -> Tensor:
    """Planes (N, H, W), upside down and left to right where flags (N, 2) say so."""
    planes = torch.where(flags[:, :1, None], planes.flip(1), planes)
    return torch.where(flags[:, 1:, None], planes.flip(2), planes)
