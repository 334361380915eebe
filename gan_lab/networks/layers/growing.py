"""Networks that grow: a level for each resolution, the newest of which is faded in.

Progressive Growing of GANs, arXiv:1710.10196, section 2 and figure 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

Alpha = float | Tensor  # how far the newest level is faded in, in [0, 1]


def faded(earlier: Tensor, newer: Tensor, alpha: Alpha) -> Tensor:
    """From what the smaller network gives to what the larger one does."""
    return earlier + (newer - earlier) * alpha


def doubled(images: Tensor) -> Tensor:
    """Each pixel of (N, C, H, W) four times."""
    return F.interpolate(images, scale_factor=2.0, mode="nearest")


def level_of(side: int) -> int:
    """How often 4 doubles up to a side."""
    return (side // 4).bit_length() - 1


def grown(
    x: Tensor,
    levels: Sequence[Callable[[Tensor], Tensor]],
    colours: Sequence[nn.Module],
    *,
    level: int,
    alpha: Alpha | None,
) -> Tensor:
    """Images of a generator that has grown to a level.

    Args:
        x: what the first level takes.
        levels: each maps features to those of its resolution; those above `level` rest.
        colours: of each level, features to images.
        level: the newest.
        alpha: how far it is faded in; None is wholly, and then the colours of the level below rest too.
    """
    earlier = x
    for function in levels[: level + 1]:
        earlier, x = x, function(x)
    images: Tensor = colours[level](x)
    if alpha is None or level == 0:
        return images
    return faded(doubled(colours[level - 1](earlier)), images, alpha)


def judged(
    images: Tensor,
    levels: Sequence[Callable[[Tensor], Tensor]],
    colours: Sequence[Callable[[Tensor], Tensor]],
    *,
    alpha: Alpha | None,
) -> Tensor:
    """Features at 4x4 of a discriminator that has grown to the side of the images (N, C, side, side).

    Args:
        images: of any level's side.
        levels: from 8 px on, each maps features of its resolution to those of half of it.
        colours: from 4 px on, each maps images of its resolution to features.
        alpha: as of `grown`.
    """
    level = level_of(images.shape[-1])
    x = colours[level](images)
    if level == 0:
        return x
    x = levels[level - 1](x)
    if alpha is not None:
        x = faded(colours[level - 1](F.avg_pool2d(images, 2)), x, alpha)
    for function in levels[: level - 1][::-1]:
        x = function(x)
    return x
