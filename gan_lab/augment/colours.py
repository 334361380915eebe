"""Changes of colours as matrices: arXiv:2006.06676, appendix B.

Matrices are float32 (N, 4, 4) and map (red, green, blue, 1) of each pixel; on grey images they act as on three equal
channels. Lightness is the direction of grey, (1, 1, 1).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def brightening(amount: Tensor) -> Tensor:
    """Matrices (N, 4, 4) that add numbers (N,) to all channels."""
    found = torch.eye(4, device=amount.device).repeat(len(amount), 1, 1)
    added = torch.cat([amount[:, None].expand(-1, 3), torch.zeros_like(amount[:, None])], dim=1)
    return found + added[:, :, None] * _last(amount)


def contrasting(factor: Tensor) -> Tensor:
    """Matrices (N, 4, 4) that multiply all channels by numbers (N,), about the middle grey 0."""
    colours = torch.eye(4, device=factor.device) - torch.diag(_last(factor))
    return _each(factor) * colours + torch.diag(_last(factor))


def flipping(flips: Tensor) -> Tensor:
    """Matrices (N, 4, 4) that mirror lightness, and keep hue and saturation, where flips (N,) are 1 and not 0."""
    return torch.eye(4, device=flips.device) - 2 * _each(flips) * _grey(flips)


def turning(angle: Tensor) -> Tensor:
    """Matrices (N, 4, 4) that turn hues by angles (N,), about the direction of grey: Rodrigues' formula."""
    grey, one = _grey(angle), torch.eye(4, device=angle.device)
    next_one = F.pad(torch.eye(3, device=angle.device).roll(1, 0), (0, 1, 0, 1))
    across = (next_one - next_one.T) / 3**0.5
    colours = one - torch.diag(_last(angle))
    turned = _each(angle.cos()) * (colours - grey) + _each(angle.sin()) * across
    return turned + grey + torch.diag(_last(angle))


def saturating(factor: Tensor) -> Tensor:
    """Matrices (N, 4, 4) that multiply each pixel's distance from its grey by numbers (N,)."""
    grey, one = _grey(factor), torch.eye(4, device=factor.device)
    kept = grey + torch.diag(_last(factor))
    return kept + _each(factor) * (one - kept)


def coloured(images: Tensor, matrices: Tensor) -> Tensor:
    """Images (N, C, H, W), C 1 or 3, with matrices (N, 4, 4) applied to each pixel.

    Raises:
        ValueError: if there are other than one or three channels.
    """
    n, channels, height, width = images.shape
    matrices = matrices.to(images.dtype)
    if channels == 3:
        mixed = matrices[:, :3, :3] @ images.flatten(2) + matrices[:, :3, 3:]
        return mixed.unflatten(2, (height, width))
    if channels == 1:
        rows = matrices[:, :3].mean(dim=1)
        return images * rows[:, :3].sum(dim=1).view(n, 1, 1, 1) + rows[:, 3].view(n, 1, 1, 1)
    raise ValueError(f"colours change images of 1 or 3 channels, not of {channels}")


def _each(numbers: Tensor) -> Tensor:
    return numbers[:, None, None]


def _grey(like: Tensor) -> Tensor:
    """The projection (4, 4) upon grey."""
    colours = 1 - _last(like)
    return torch.outer(colours, colours) / 3


def _last(like: Tensor) -> Tensor:
    """(0, 0, 0, 1)."""
    return (torch.arange(4, device=like.device) == 3).float()
