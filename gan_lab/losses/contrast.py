"""The contrast of patches: each place of an image shall know its own counterpart among other places' ones."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def patch_nce(queries: Tensor, keys: Tensor, *, temperature: float) -> Tensor:
    """PatchNCE, arXiv:2007.15651, eq. 2 and 3: the cross entropy of finding a place's own key.

    For place s of image n it is -log of exp(q_s k_s / temperature) / sum over t of exp(q_s k_t / temperature), where t
    goes over the sampled places of the same image: the others are the negatives. The paper adds up layers and places;
    this is the mean over places and images, so that weights do not depend on how many are sampled.

    Args:
        queries: embedded patches of what was made, of length 1, shape (N, S, D).
        keys: those of the same places in the source, shape (N, S, D).
        temperature: > 0.

    Returns:
        Shape (), float32, >= 0.
    """
    with torch.autocast(queries.device.type, enabled=False):
        similar = torch.bmm(queries.float(), keys.float().transpose(1, 2)) / temperature
    own = torch.arange(similar.shape[1], device=similar.device).expand(similar.shape[:2])
    return F.cross_entropy(similar.flatten(0, 1), own.flatten())


def sampled(planes: Tensor, places: Tensor) -> Tensor:
    """The features (N, S, C) of planes (N, C, H, W) at places (N, S), int64 in [0, H W), counted row by row."""
    flat = planes.flatten(2).transpose(1, 2)
    return flat.gather(1, places[:, :, None].expand(-1, -1, flat.shape[2]))
