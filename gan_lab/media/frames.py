"""Frames of films: a picture enlarged, padded, with a line of text above it."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

SMALLEST = 14  # pixels of a letter's height


def captioned(picture: Image.Image, text: str) -> Image.Image:
    """The picture in colours with a line of text above it, on white.

    The letters grow with the picture; the line is as high for every text, so that films do not jump.
    """
    size = max(SMALLEST, picture.height // 20)
    font, height = ImageFont.load_default(size), round(size * 1.6)
    found = Image.new("RGB", (picture.width, picture.height + height), "white")
    found.paste(picture, (0, height))
    ImageDraw.Draw(found).text((size // 2, height // 2), text, "black", font, anchor="lm")
    return found


def enlarged_picture(picture: Image.Image, scale: int) -> Image.Image:
    """The picture with each pixel `scale` times as wide and high."""
    size = (picture.width * scale, picture.height * scale)
    return picture.resize(size, Image.Resampling.NEAREST)


def on_white(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The picture in the upper left of a white one of this size, which is at least its own."""
    found = Image.new("RGB", size, "white")
    found.paste(picture)
    return found
