"""Grids of a run carry reals, captions and kimg, and the pixels of the samples are found again."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gan_lab.callbacks.artefacts import spread
from gan_lab.media.grid_facts import CHUNK, corner, read_samples
from gan_lab.media.grids import picture_of
from gan_lab.media.images import to_uint8
from gan_lab.media.run_grids import save_reals, save_run_grid, scale_of

SMALL = {"kimg": 1, "count": 1, "columns": 1, "scale": 1, "tile": [1, 1], "box": [0, 0, 5, 4]}


def drawn(count, channels=3, side=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, channels, side, side, generator=generator) * 2 - 1


def tiles(picture, facts):
    """Each sample of a grid in its own pixels, by what the grid tells of itself."""
    pixels, (width, height), scale = np.asarray(picture), facts.tile, facts.scale
    gap = (picture.width - facts.columns * width * scale) // (facts.columns + 1)
    found = []
    for index in range(facts.count):
        row, column = divmod(index, facts.columns)
        left, top = (gap + n * (gap + side * scale) for n, side in ((column, width), (row, height)))
        tile = pixels[top : top + height * scale, left : left + width * scale]
        found.append(tile[::scale, ::scale])
        assert np.array_equal(found[-1].repeat(scale, 0).repeat(scale, 1), tile)
    return np.stack(found)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [4, 7, 64])
def test_samples_are_found_again_to_the_bit(tmp_path, count, channels):
    samples, reals = drawn(count, channels), drawn(count, channels, seed=1)
    path = tmp_path / "grid.png"
    save_run_grid(samples, reals, path, kimg=12.5)
    picture, facts = read_samples(path)
    assert (facts.kimg, facts.count, facts.tile, facts.scale) == (12.5, count, (8, 8), 4)
    wanted = to_uint8(samples).expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(tiles(picture, facts), wanted)


def test_a_row_of_reals_stands_above_the_samples_between_two_captions(tmp_path):
    samples, reals = drawn(16), drawn(9, seed=1)
    save_run_grid(samples, reals, tmp_path / "grid.png", kimg=3)
    whole = np.asarray(Image.open(tmp_path / "grid.png"))
    row = np.asarray(picture_of(reals[:4], columns=4, scale=4))
    _, facts = read_samples(tmp_path / "grid.png")
    strip = (facts.box[1] - row.shape[0]) // 2
    assert np.array_equal(whole[strip : strip + row.shape[0], : row.shape[1]], row)
    for top in (0, strip + row.shape[0]):
        assert (whole[top : top + strip] < 128).any(), "a caption"
    save_run_grid(samples, None, tmp_path / "bare.png", kimg=3)
    _, bare = read_samples(tmp_path / "bare.png")
    assert bare.box[1] == strip


def test_a_caption_tells_the_kimg(tmp_path):
    for kimg in (3, 4):
        save_run_grid(drawn(4), None, tmp_path / f"{kimg}.png", kimg=kimg)
    one, other = (np.asarray(Image.open(tmp_path / f"{kimg}.png")) for kimg in (3, 4))
    top = read_samples(tmp_path / "3.png")[1].box[1]
    assert not np.array_equal(one[:top], other[:top])
    assert np.array_equal(one[top:], other[top:])


def test_the_same_grid_is_the_same_file(tmp_path):
    for name in ("a", "b"):
        save_run_grid(drawn(4), drawn(2), tmp_path / name, kimg=1)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("side", "scale"), [(8, 4), (16, 4), (28, 4), (32, 3), (48, 2), (64, 2), (128, 1), (256, 1)]
)
def test_small_images_are_enlarged(side, scale):
    assert scale_of(torch.zeros(1, 3, side, side)) == scale


def test_reals_are_as_large_as_in_the_grids(tmp_path):
    save_reals(drawn(9), tmp_path / "reals.png")
    assert Image.open(tmp_path / "reals.png").size == (3 * 34 + 2, 3 * 34 + 2)


@pytest.mark.parametrize(
    "chunk",
    [
        None,
        "no JSON",
        "[1]",
        '{"tile": 3}',
        json.dumps({**SMALL, "box": [0, 0, 9**9, 9**9]}),
        json.dumps({**SMALL, "box": [-5, 0, 2, 2]}),
        json.dumps({**SMALL, "tile": [9**9, 9**9]}),
        json.dumps({**SMALL, "columns": 0}),
        json.dumps({**SMALL, "scale": 1e400}),
    ],
)  # fmt: skip
def test_a_picture_from_elsewhere_is_shown_whole(tmp_path, chunk):
    info = PngInfo()
    if chunk is not None:
        info.add_text(CHUNK, chunk)
    Image.new("L", (5, 4)).save(tmp_path / "grid.png", pnginfo=info)
    picture, facts = read_samples(tmp_path / "grid.png")
    assert facts is None
    assert picture.size == (5, 4)


def test_what_is_no_picture_is_an_error_of_the_disk(tmp_path):
    (tmp_path / "grid.png").write_bytes(b"no picture")
    with pytest.raises(OSError, match="cannot identify"):
        read_samples(tmp_path / "grid.png")


@pytest.mark.parametrize(("count", "side"), [(64, 3), (4, 2), (5, 2)])
def test_a_corner_shows_the_first_samples_in_their_own_pixels(tmp_path, count, side):
    samples = drawn(count)
    save_run_grid(samples, None, tmp_path / "grid.png", kimg=1)
    picture, facts = read_samples(tmp_path / "grid.png")
    shown = np.asarray(corner(picture, facts, most=3))
    assert shown.shape == (9 * min(facts.rows, 3) - 1, 9 * side - 1, 3)
    wanted = to_uint8(samples).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(shown[:8, 9:17], wanted[1])
    assert np.array_equal(shown[9:17, :8], wanted[facts.columns])


def test_reals_are_spread_over_a_sorted_set():
    images = torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1).repeat_interleave(100, 0)
    shown = to_uint8(spread(images, 10)).flatten().tolist()
    assert shown == list(range(10))
    assert len(spread(images[:3], 64)) == 3
