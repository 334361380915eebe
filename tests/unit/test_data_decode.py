"""Every kind of image file against pixels that are known, or that Pillow's plainest path gives."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from gan_lab.data.decoding.decode import BadImageError, decode, luminance
from gan_lab.data.decoding.fit import centre_square, fit, fit_digits, resize

RNG = np.random.default_rng(0)


def encode(array_or_image, kind, **options):
    image = array_or_image
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def smooth(height=20, width=30):
    """A colour image that JPEG keeps well."""
    noise = RNG.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))


def noise(height=7, width=9, channels=3):
    return RNG.integers(0, 256, (height, width, channels), dtype=np.uint8)


def pixels(data, channels=3):
    """(H, W, channels) as decoded here."""
    image = decode(data, channels)
    assert image.dtype == torch.uint8
    return image.permute(1, 2, 0).numpy()


def png(samples, colour_type, depth=16, extra=b""):
    """A PNG written by hand: Pillow writes no 16-bit colour."""

    def chunk(kind, body):
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2" if depth == 16 else "u1").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_rgb_png_is_exact():
    array = noise()
    assert np.array_equal(pixels(encode(array, "PNG")), array)


def test_lossless_webp_is_exact():
    array = noise()
    assert np.array_equal(pixels(encode(array, "WEBP", lossless=True)), array)


@pytest.mark.parametrize("options", [{"quality": 90}, {"quality": 60, "progressive": True}])
def test_jpeg_equals_pillow(options):
    data = encode(smooth(), "JPEG", **options)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.abs(pixels(data).astype(int) - expected).max() <= 1


def test_jpeg_that_stores_rgb():
    data = encode(smooth(), "JPEG", quality=95, keep_rgb=True)
    assert np.abs(pixels(data).astype(int) - np.asarray(Image.open(io.BytesIO(data)))).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_grey_becomes_three_equal_channels(kind):
    grey = smooth()[..., 0]
    options = {"JPEG": {"quality": 98}, "PNG": {}, "WEBP": {"lossless": True}}[kind]
    data = encode(grey, kind, **options)
    found = pixels(data)
    assert np.array_equal(found[..., 0], found[..., 1])
    assert np.array_equal(found[..., 0], found[..., 2])
    assert np.abs(found[..., 0].astype(int) - grey).max() <= (8 if kind == "JPEG" else 0)


def test_one_bit_png():
    mask = noise()[..., 0] > 127
    assert np.array_equal(pixels(encode(Image.fromarray(mask), "PNG"), 1)[..., 0], mask * 255)


def test_cmyk_jpeg_keeps_its_colours():
    array = smooth()
    data = encode(Image.fromarray(array).convert("CMYK"), "JPEG", quality=95)
    assert np.abs(pixels(data).astype(int) - array).mean() < 2


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_rgba_is_composited_on_white(kind):
    array = noise(channels=4)
    array[0, :3, 3] = (0, 255, 128)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    alpha = array[..., 3:].astype(np.float64) / 255
    expected = np.rint(array[..., :3] * alpha + 255 * (1 - alpha))
    assert np.abs(pixels(encode(array, kind, **options)) - expected).max() == 0


def test_fully_transparent_pixels_hide_their_colour():
    array = np.full((4, 4, 4), 200, np.uint8)
    array[..., 3] = 0
    assert (pixels(encode(array, "PNG")) == 255).all()


def test_grey_with_alpha():
    array = noise(channels=2)
    alpha = array[..., 1] / 255
    expected = np.rint(array[..., 0] * alpha + 255 * (1 - alpha))
    assert np.array_equal(pixels(encode(Image.fromarray(array, "LA"), "PNG"), 1)[..., 0], expected)


def test_palette():
    indexed = Image.fromarray(noise()).quantize(16)
    expected = np.asarray(indexed.convert("RGB"))
    assert np.array_equal(pixels(encode(indexed, "PNG")), expected)


@pytest.mark.parametrize("form", ["index", "bytes"])
def test_palette_with_transparency_is_composited_on_white(form):
    indexed = Image.fromarray(noise()).quantize(4)
    codes, colours = np.asarray(indexed), np.asarray(indexed.convert("RGB")).astype(float)
    alphas = np.array([255, 0, 255, 255] if form == "index" else [0, 128, 255, 77])
    transparency = 1 if form == "index" else bytes(alphas.tolist())
    alpha = alphas[codes][..., None] / 255
    expected = np.rint(colours * alpha + 255 * (1 - alpha))
    assert np.array_equal(pixels(encode(indexed, "PNG", transparency=transparency)), expected)


def test_colour_key_transparency():
    array = noise()
    array[2, 3] = (1, 2, 3)
    expected = array.copy()
    expected[2, 3] = 255
    body = struct.pack(">HHH", 1, 2, 3)
    chunk = struct.pack(">I", 6) + b"tRNS" + body + struct.pack(">I", zlib.crc32(b"tRNS" + body))
    assert np.array_equal(pixels(png(array, 2, depth=8, extra=chunk)), expected)


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3)])
def test_16_bit_png_is_scaled_not_clipped(colour_type, channels):
    wide = RNG.integers(0, 65536, (6, 5, channels), dtype=np.uint16)
    wide[0, 0], wide[0, 1] = 0, 65535
    expected = np.rint(wide / 257)
    found = pixels(png(wide, colour_type), channels)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(("colour_type", "channels"), [(4, 2), (6, 4)])
def test_16_bit_png_with_alpha(colour_type, channels):
    wide = RNG.integers(0, 65536, (6, 5, channels), dtype=np.uint16)
    alpha = wide[..., -1:] / 65535
    expected = wide[..., :-1] / 257 * alpha + 255 * (1 - alpha)
    found = pixels(png(wide, colour_type), 1 if channels == 2 else 3)
    assert np.abs(found - expected).max() <= 1.0


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(kind, orientation):
    array = smooth()
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": {"quality": 98, "subsampling": 0}, "PNG": {}, "WEBP": {"lossless": True}}[
        kind
    ]
    turned = {
        1: array,
        2: array[:, ::-1],
        3: array[::-1, ::-1],
        4: array[::-1],
        5: array.transpose(1, 0, 2),
        6: np.rot90(array, -1),
        7: array[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(array),
    }[orientation]
    found = pixels(encode(array, kind, exif=exif, **options))
    assert found.shape == turned.shape
    assert np.abs(found.astype(int) - turned).mean() < 2


def test_luminance_equals_pillow():
    array = noise(40, 40)
    expected = np.asarray(Image.fromarray(array).convert("L"))
    assert np.array_equal(pixels(encode(array, "PNG"), 1)[..., 0], expected)
    assert luminance(torch.full((3, 1, 1), 255, dtype=torch.uint8)).item() == 255


def test_the_content_decides_not_the_name():
    data = encode(smooth(), "JPEG")
    assert decode(data, 3).shape == (3, 20, 30)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "PNG16"])
@pytest.mark.parametrize("cut", [1, 13, 0.3, 0.6])
def test_truncated_files_are_refused(kind, cut):
    if kind == "PNG16":
        data = png(RNG.integers(0, 65536, (40, 40, 3), dtype=np.uint16), 2)
    else:
        data = encode(noise(60, 60), kind)
    cut = int(len(data) * cut) if cut < 1 else cut
    with pytest.raises(BadImageError, match=r"truncated|damaged"):
        decode(data[:-cut], 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"hello, this is text", "is not an image"),
        (b"<html><body>404</body></html>", "is not an image"),
        (b"\xff\xd8\xff", "not an image|damaged"),
        (b"\x89PNG\r\n\x1a\n", "truncated"),
    ],
)
def test_what_is_no_image_is_said(data, reason):
    with pytest.raises(BadImageError, match=reason):
        decode(data, 3)


def test_centre_square_of_celebas_shape():
    rows = torch.arange(218, dtype=torch.uint8)[None, :, None].expand(3, 218, 178)
    assert centre_square(rows)[0, :, 0].tolist() == list(range(20, 198))


@pytest.mark.parametrize("shape", [(33, 57), (101, 40), (64, 64), (17, 5), (300, 211)])
@pytest.mark.parametrize("channels", [1, 3])
def test_fit_is_within_one_level_of_pillow(shape, channels):
    height, width = shape
    side = min(shape)
    array = smooth(height, width)
    array = array[..., :1] if channels == 1 else array
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(array[top : top + side, left : left + side])
    small = Image.fromarray(square.squeeze(-1) if channels == 1 else square)
    small = small.resize((16, 16), Image.Resampling.BILINEAR)
    expected = np.asarray(small).reshape(16, 16, channels).astype(int)
    image = torch.from_numpy(array.copy()).permute(2, 0, 1)
    (found,) = fit([centre_square(image)], 16)
    assert found.shape == (channels, 16, 16)
    assert np.abs(found.permute(1, 2, 0).numpy() - expected).max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("contiguous", [True, False])
def test_fitting_together_changes_no_pixel(channels, contiguous):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (7, 40, 40, channels), dtype=torch.uint8, generator=generator)
    squares = [image.permute(2, 0, 1) for image in images]
    if contiguous:
        squares = [square.contiguous() for square in squares]
    together = fit(squares, 16)
    assert together.shape == (7, channels, 16, 16)
    assert torch.equal(together, torch.cat([fit([square], 16) for square in squares]))
    assert torch.equal(together, torch.cat([resize(square[None], 16) for square in squares]))


def test_digits_are_framed_in_black():
    digits = torch.full((3, 1, 28, 28), 9, dtype=torch.uint8)
    assert fit_digits(digits, 28) is digits
    framed = fit_digits(digits, 32)
    assert framed.shape == (3, 1, 32, 32)
    assert framed[:, :, 2:30, 2:30].eq(9).all()
    assert framed.long().sum() == digits.long().sum()
    assert torch.equal(fit_digits(digits, 64), resize(framed, 64))
