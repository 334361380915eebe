"""What the first bytes of an image file say, before a decoder asks for memory.

Read here and not by Pillow, which needs 20 times as long to open a JPEG, and by which most of them are not decoded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from gan_lab.data.decoding.bad import BadImageError

JPEG = b"\xff\xd8\xff"
PNG = b"\x89PNG\r\n\x1a\n"
PNG_TEXT = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
NO_SIZE = (0xC4, 0xC8, 0xCC)  # among the markers C0 to CF, which else begin a frame


def check_pixels(width: int, height: int, most: int) -> None:
    """Raise BadImageError where an image has more pixels than data.max_pixels."""
    if width * height > most:
        raise BadImageError(
            f"has {width:,} x {height:,} pixels, more than data.max_pixels={most} allows"
        )


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a JPEG; None where its markers are not one behind the other."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in NO_SIZE:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def png_size(data: bytes) -> tuple[int, int]:
    """Return width and height of a PNG, which must begin with them."""
    if len(data) < 24 or data[12:16] != b"IHDR":
        raise BadImageError("is truncated or damaged (it does not begin with its size)")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def without_text(data: bytes) -> bytes:
    """Return a PNG without its texts and colour profile, of which decoders take only so much."""
    return PNG + b"".join(part for kind, part in _chunks(data) if kind not in PNG_TEXT)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(PNG)
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], data[at:end]
        at = end
