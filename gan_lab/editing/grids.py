"""Pictures of a space: what truncation does, what styles hold, what a direction changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from gan_lab.common.errors import ConfigError
from gan_lab.editing.spaces import Space, Styles, spread_of

Rows = tuple[Tensor, int]  # images (N, C, H, W) on the CPU, and how many stand in a row


def truncation_grid(space: Space, points: Tensor, values: Sequence[float]) -> Rows:
    """A row for each point (N, dim), a column for each value of the truncation."""
    several = torch.stack([space.truncated(points, value) for value in values], dim=1)
    return _drawn(space, several.flatten(0, 1)), len(values)


def mixing_grid(space: Space, rows: Tensor, columns: Tensor, layers: Sequence[int]) -> Rows:
    """Style mixing: arXiv:1812.04948, figure 3.

    The first row and the first column show the sources. Each other image has the styles of its row, and in some
    layers those of its column.

    Args:
        space: w.
        rows: styles (R, dim).
        columns: styles (K, dim).
        layers: in which the columns' styles count, from 0 for the coarsest.

    Raises:
        ConfigError: in another space, or at a layer that is not there.
    """
    if not isinstance(space, Styles):
        raise ConfigError(
            "do=mixing: is for generators with styles, such as those of model=stylegan2."
        )
    wrong = [layer for layer in layers if not 0 <= layer < space.layers]
    if wrong:
        raise ConfigError(f"layers={wrong[0]}: this generator has layers 0 to {space.layers - 1}.")
    taken = torch.zeros(space.layers, dtype=torch.bool)
    taken[list(layers)] = True
    of_rows, of_columns = (one[:, None].expand(-1, space.layers, -1) for one in (rows, columns))
    mixed = torch.where(taken[:, None].to(rows.device), of_columns[None], of_rows[:, None])
    top, left = _drawn(space, columns), _drawn(space, rows)
    inside = _drawn(space, mixed.flatten(0, 1)).unflatten(0, mixed.shape[:2])
    empty = torch.ones_like(top[:1])
    lines = [torch.cat([empty, top])]
    lines += [torch.cat([left[at : at + 1], inside[at]]) for at in range(len(rows))]
    return torch.cat(lines), len(columns) + 1


def direction_grid(
    space: Space, points: Tensor, found: Tensor, *, strength: float, steps: int
) -> Rows:
    """For each direction (K, dim) a row for each point (N, dim), moved from -strength to strength.

    The strength counts in standard deviations of a point's numbers.
    """
    spread = spread_of(space)
    shifts = torch.linspace(-strength, strength, steps, device=points.device) * spread
    moved = points[None, :, None] + shifts[:, None] * found[:, None, None].to(points.device)
    return _drawn(space, moved.flatten(0, 2)), steps


def walk_between(space: Space, points: Tensor, frames: int) -> Iterator[Tensor]:
    """Images (1, C, H, W) on straight lines from point to point (N, dim), with both ends."""
    for start, end in pairwise(points):
        for step in range(frames):
            yield _drawn(space, start.lerp(end, step / frames)[None])
    yield _drawn(space, points[-1:])


@torch.no_grad()
def _drawn(space: Space, points: Tensor, batch_size: int = 64) -> Tensor:
    return torch.cat([space.draw(part).cpu() for part in points.split(batch_size)])
