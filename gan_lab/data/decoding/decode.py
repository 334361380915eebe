"""From the bytes of a file to pixels: every kind of jpg, png and webp, or a reason why not."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.io import ImageReadMode, decode_jpeg, decode_png

JPEG = b"\xff\xd8\xff"
PNG = b"\x89PNG\r\n\x1a\n"
PNG_END = b"IEND\xaeB`\x82"


class BadImageError(ValueError):
    """A file holds no whole image; the message completes "<path> ..."."""


def decode(data: bytes, channels: int) -> Tensor:
    """Decode one image.

    Plain JPEGs go through torchvision (twice as fast as Pillow, the same pixels), 16-bit PNGs too
    (Pillow clips grey ones); Pillow does the rest. EXIF orientation is applied, transparent pixels
    are composited on white, 16 bits become 8 by rounding x / 257, colour profiles are ignored, and
    the kind is told from the content, not from the name.

    Args:
        data: the file's content.
        channels: 3 for RGB, 1 for luminance (ITU-R 601, in Pillow's integers).

    Returns:
        uint8, shape (channels, H, W).

    Raises:
        BadImageError: if the content is empty, truncated, damaged or not an image.
    """
    if not data:
        raise BadImageError("is empty")
    try:
        pixels = _pixels(data)
    except UnidentifiedImageError:
        raise BadImageError("is not an image") from None
    except (BadImageError, MemoryError):
        raise
    except Exception as error:  # decoders raise what they like: SyntaxError, struct.error, ...
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadImageError(f"is truncated or damaged ({reason})") from error
    if channels == pixels.shape[0]:
        return pixels
    return luminance(pixels) if channels == 1 else pixels.expand(3, -1, -1)


def luminance(rgb: Tensor) -> Tensor:
    """Turn uint8 RGB (3, H, W) into grey (1, H, W), as Pillow's convert("L") does."""
    red, green, blue = rgb.to(torch.int32)
    grey = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
    return grey.to(torch.uint8)[None]


def on_white(pixels: Tensor) -> Tensor:
    """Composite uint8 (2 or 4, H, W), alpha last, on white: (1 or 3, H, W).

    Dropping alpha instead would show the arbitrary colours that hide under transparent pixels.
    """
    colour, alpha = pixels[:-1].to(torch.int32), pixels[-1:].to(torch.int32)
    mixed = colour * alpha + 255 * (255 - alpha)
    return ((mixed + 127) // 255).to(torch.uint8)


def _pixels(data: bytes) -> Tensor:
    """Return uint8, shape (1 or 3, H, W)."""
    if data.startswith(JPEG):
        pixels = _jpeg(data)
        if pixels is not None:
            return pixels
    if data.startswith(PNG):
        if PNG_END not in data:  # Pillow accepts a file cut just behind its last pixel
            raise BadImageError("is truncated (it has no end marker)")
        if len(data) > 24 and data[24] == 16:
            return _png16(data)
    return _pillow(data)


def _jpeg(data: bytes) -> Tensor | None:
    """Return the pixels of a grey or YCbCr JPEG, None where Pillow shall try or explain."""
    buffer = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    try:
        pixels = decode_jpeg(buffer, mode=ImageReadMode.UNCHANGED, apply_exif_orientation=True)
    except RuntimeError:
        return None
    return pixels if pixels.shape[0] in (1, 3) else None


def _png16(data: bytes) -> Tensor:
    buffer = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    wide = decode_png(buffer, mode=ImageReadMode.UNCHANGED, apply_exif_orientation=True)
    pixels = ((wide.to(torch.int32) + 128) // 257).to(torch.uint8)
    return on_white(pixels) if pixels.shape[0] in (2, 4) else pixels


def _pillow(data: bytes) -> Tensor:
    with Image.open(io.BytesIO(data)) as opened:
        image = ImageOps.exif_transpose(opened)
    if "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
        return on_white(_tensor(image.convert("RGBA")))
    if image.mode in ("1", "L"):
        return _tensor(image.convert("L"))
    if image.mode.startswith(("I", "F")):  # convert("RGB") would clip these, not scale them
        raise BadImageError(f"has pixels of an unknown range (mode {image.mode})")
    return _tensor(image.convert("RGB"))


def _tensor(image: Image.Image) -> Tensor:
    array = np.array(image)
    if array.ndim == 2:
        array = array[..., None]
    return torch.from_numpy(array).permute(2, 0, 1)
