"""From the bytes of a file to pixels: every kind of jpg, png and webp, or a reason why not."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.io import ImageReadMode, decode_jpeg, decode_png

from gan_lab.data.decoding.bad import BadImageError
from gan_lab.data.decoding.headers import (
    JPEG,
    PNG,
    check_pixels,
    jpeg_size,
    png_size,
    without_text,
)

MAX_PIXELS = 200_000_000  # 600 MB as bytes of three colours: more than cameras take, and bearable
PNG_END = b"IEND\xaeB`\x82"
# Pillow reads more, some of them by starting other programs (PostScript).
KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


@contextmanager
def our_limit_alone() -> Iterator[None]:
    """Switch Pillow's own limit of pixels off, which is fixed and process-wide: ours is checked."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def decode(data: bytes, channels: int, *, max_pixels: int = MAX_PIXELS) -> Tensor:
    """Decode one image.

    Plain JPEGs go through torchvision (twice as fast as Pillow, the same pixels), 16-bit PNGs too
    (Pillow clips grey ones); Pillow does the rest. EXIF orientation is applied, transparent pixels
    are composited on white, 16 bits become 8 by rounding x / 257, colour profiles are ignored, and
    the kind is told from the content, not from the name.

    Args:
        data: the file's content.
        channels: 3 for RGB, 1 for luminance (ITU-R 601, in Pillow's integers).
        max_pixels: width times height at most, looked at before memory is asked for.

    Returns:
        uint8, shape (channels, H, W).

    Raises:
        BadImageError: if the content is empty, truncated, damaged, too large or not an image.
    """
    pixels = _read(data, max_pixels)
    if pixels.shape[0] in (2, 4):
        pixels = on_white(pixels)
    return _of_channels(pixels, channels)


def decode_with_alpha(
    data: bytes, channels: int, *, max_pixels: int = MAX_PIXELS
) -> tuple[Tensor, Tensor | None]:
    """Decode one image as `decode` does, but keep its colours as they are and its transparency beside them.

    Returns:
        uint8 (channels, H, W), and uint8 (1, H, W) of 255 where nothing shines through, or None where the file has no
        transparency.

    Raises:
        BadImageError: as `decode`.
    """
    pixels = _read(data, max_pixels)
    if pixels.shape[0] not in (2, 4):
        return _of_channels(pixels, channels), None
    return _of_channels(pixels[:-1], channels), pixels[-1:]


def _read(data: bytes, max_pixels: int) -> Tensor:
    """Pixels (1 to 4, H, W), or BadImageError with the reason."""
    if not data:
        raise BadImageError("is empty")
    try:
        return _pixels(data, max_pixels)
    except UnidentifiedImageError:
        raise BadImageError("is not an image of a kind that is read here") from None
    except Image.DecompressionBombError as error:  # outside of `our_limit_alone`
        raise BadImageError(f"has more pixels than Pillow allows ({error})") from error
    except (BadImageError, MemoryError):
        raise
    except Exception as error:  # decoders raise what they like: SyntaxError, struct.error, ...
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadImageError(f"is truncated or damaged ({reason})") from error


def _of_channels(pixels: Tensor, channels: int) -> Tensor:
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


def _pixels(data: bytes, max_pixels: int) -> Tensor:
    """Return uint8, shape (1 to 4, H, W); of 2 or 4 the last is alpha."""
    if data.startswith(PNG):
        return _png(data, max_pixels)
    size = jpeg_size(data) if data.startswith(JPEG) else None
    if size is not None:
        check_pixels(*size, max_pixels)
        pixels = _jpeg(data)
        if pixels is not None:
            return pixels
    return _pillow(data, max_pixels)


def _jpeg(data: bytes) -> Tensor | None:
    """Return the pixels of a grey or YCbCr JPEG, None where Pillow shall try or explain."""
    buffer = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    try:
        pixels = decode_jpeg(buffer, mode=ImageReadMode.UNCHANGED, apply_exif_orientation=True)
    except RuntimeError:
        return None
    return pixels if pixels.shape[0] in (1, 3) else None


def _png(data: bytes, max_pixels: int) -> Tensor:
    check_pixels(*png_size(data), max_pixels)
    if PNG_END not in data:  # Pillow accepts a file cut just behind its last pixel
        raise BadImageError("is truncated (it has no end marker)")
    wide = data[24:25] == b"\x10"
    read: Callable[[bytes], Tensor] = _png16 if wide else partial(_pillow, max_pixels=max_pixels)
    try:
        return read(data)
    except (ValueError, RuntimeError):
        slim = without_text(data)
        if len(slim) == len(data):
            raise
        return read(slim)


def _png16(data: bytes) -> Tensor:
    buffer = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    wide = decode_png(buffer, mode=ImageReadMode.UNCHANGED, apply_exif_orientation=True)
    return ((wide.to(torch.int32) + 128) // 257).to(torch.uint8)


def _pillow(data: bytes, max_pixels: int) -> Tensor:
    with Image.open(io.BytesIO(data), formats=KINDS) as opened:
        check_pixels(*opened.size, max_pixels)
        image = ImageOps.exif_transpose(opened)
    if "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
        return _tensor(image.convert("RGBA"))
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
