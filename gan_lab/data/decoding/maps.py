"""From the bytes of a file to a class map: the number of a class at each pixel, as it was stored."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from gan_lab.common.class_maps import UNLABELLED
from gan_lab.data.decoding.bad import BadImageError
from gan_lab.data.decoding.decode import MAX_PIXELS, PNG_END
from gan_lab.data.decoding.headers import PNG, check_pixels, png_size

MOST = UNLABELLED  # classes at most
MODES = ("P", "L", "1", "I;16", "I")  # of Pillow: places in a palette, or grey values


@dataclass(frozen=True)
class MapRules:
    """What the numbers of a class map mean.

    Attributes:
        classes: their number; 0 to one less are classes.
        unlabelled: the number of pixels whose class is not known; None where all are.
    """

    classes: int
    unlabelled: int | None = UNLABELLED


def decode_map(data: bytes, rules: MapRules, *, max_pixels: int = MAX_PIXELS) -> Tensor:
    """Decode one class map: a PNG of grey values or with a palette, whose numbers are classes.

    Args:
        data: the file's content.
        rules: what its numbers mean.
        max_pixels: width times height at most, looked at before memory is asked for.

    Returns:
        uint8, shape (1, H, W): classes, and `UNLABELLED` where none is known.

    Raises:
        BadImageError: if it is no such PNG, is damaged or too large, or holds a number that is no class.
    """
    if not data:
        raise BadImageError("is empty")
    if not data.startswith(PNG):
        raise BadImageError(
            "is no PNG, and other formats may change numbers of classes; store class maps as PNG"
        )
    check_pixels(*png_size(data), max_pixels)
    if PNG_END not in data:
        raise BadImageError("is truncated (it has no end marker)")
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as opened:
            image = ImageOps.exif_transpose(opened)
            mode, numbers = image.mode, np.array(image)
    except MemoryError:
        raise
    except Exception as error:  # decoders raise what they like
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadImageError(f"is truncated or damaged ({reason})") from error
    if mode not in MODES:
        raise BadImageError(
            f"is a picture in colours or with transparency ({mode}), and a class map has the number of a class at each "
            "pixel, as a grey value or by a palette"
        )
    return _classes(numbers.astype(np.int64) // _spread(data, mode), rules)


def _spread(data: bytes, mode: str) -> int:
    """How far apart Pillow puts grey values: those of fewer than 8 bits (the header tells) are spread over a byte."""
    depth, grey = data[24], data[25] == 0
    return 255 // ((1 << depth) - 1) if grey and mode == "L" and depth < 8 else 1


def _classes(numbers: np.ndarray, rules: MapRules) -> Tensor:
    """The numbers (H, W) as bytes (1, H, W).

    Raises:
        BadImageError: where one is no class.
    """
    unlabelled = np.zeros_like(numbers, bool)
    if rules.unlabelled is not None:
        unlabelled = numbers == rules.unlabelled
    strange = numbers[(numbers >= rules.classes) & ~unlabelled]
    if strange.size:
        known = f"data.classes={rules.classes} knows 0 to {rules.classes - 1}"
        raise BadImageError(
            f"holds the class {strange.max()}, and {known}; set data.classes, or data.unlabelled to the number of "
            "pixels without a class"
        )
    found = np.where(unlabelled, UNLABELLED, numbers).astype(np.uint8)
    return torch.from_numpy(found)[None]
