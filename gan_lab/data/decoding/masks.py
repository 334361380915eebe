"""Masks that a person has: pictures that are white where a hole is."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from gan_lab.common.errors import DataError
from gan_lab.data.decoding.bad import BadImageError
from gan_lab.data.decoding.decode import decode_with_alpha
from gan_lab.data.decoding.tree import Entry, Tree, scan

HALF = 127.5  # of white


def read_masks(root: Path, resolution: int) -> Tensor:
    """All masks of a folder or zip archive, in the order of their names.

    Args:
        root: of jpg, png or webp; pictures that are not square are squeezed.
        resolution: side of the result.

    Returns:
        bool (M, resolution, resolution), true in the holes.

    Raises:
        DataError: where there is none, or one is damaged or has no hole.
    """
    if not root.exists():
        raise DataError(f"'{root}' does not exist.")
    with scan(root) as tree:
        if not tree.entries:
            raise DataError(f"no jpg, png or webp image in '{root}'.")
        return torch.stack([_mask(tree, entry, resolution) for entry in tree.entries])


def _mask(tree: Tree, entry: Entry, resolution: int) -> Tensor:
    try:
        pixels, _ = decode_with_alpha(tree.read(entry), 1)
    except BadImageError as error:
        raise DataError(f"'{entry.name}' {error}; mend or remove it.") from error
    found = F.interpolate(pixels[None].float(), size=(resolution, resolution), mode="area")[0, 0]
    if not bool((found > HALF).any()):
        raise DataError(f"'{entry.name}' has no white part, and so no hole; mend or remove it.")
    return found > HALF
