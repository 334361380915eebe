"""The script that turns masks in colours into class maps."""

from __future__ import annotations

import sys
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from tests.conftest import REPOSITORY

COLOURS = "0 0 0 ground\n250 0 0 red one\n0 250 0 green\n"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "scripts")
    import class_maps

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["class_maps.py", *map(str, arguments)])
        return class_maps.main()

    return run


def test_masks_in_halves_become_photographs_and_numbers(script, tmp_path, capsys):
    """Of a JPEG: numbers are right inside, and no class is guessed where colours run into each other."""
    numbers = np.zeros((32, 32), np.uint8)
    numbers[:, 12:], numbers[20:, 20:] = 1, 2
    colours = np.array([[0, 0, 0], [250, 0, 0], [0, 250, 0]], np.uint8)[numbers]
    photo = np.full((32, 32, 3), 90, np.uint8)
    (tmp_path / "pairs" / "test").mkdir(parents=True)
    whole = Image.fromarray(np.concatenate([photo, colours], axis=1))
    whole.save(tmp_path / "pairs" / "test" / "a.jpg", quality=85)
    (tmp_path / "colours.txt").write_text(COLOURS)
    line = [
        tmp_path / "pairs",
        tmp_path / "labels",
        "--half",
        "right",
        "--palette",
        tmp_path / "colours.txt",
    ]
    assert script(*line) == 0
    assert "1 maps of 3 classes are in" in capsys.readouterr().out
    found = np.array(Image.open(tmp_path / "labels" / "test_label" / "a.png"))
    assert found.shape == (32, 32)
    assert set(np.unique(found)) <= {0, 1, 2, 255}
    known = found != 255
    assert (found[known] == numbers[known]).mean() > 0.99
    assert known.mean() > 0.8
    seen = np.array(Image.open(tmp_path / "labels" / "test_img" / "a.png")).astype(int)
    assert abs(seen[:, :-9] - 90).max() < 12, "the photograph's half"


def test_masks_alone_keep_their_names_and_bad_palettes_are_named(script, tmp_path, capsys):
    (tmp_path / "masks" / "deep").mkdir(parents=True)
    Image.new("RGB", (4, 4), (204, 0, 0)).save(tmp_path / "masks" / "deep" / "b.png")
    assert script(tmp_path / "masks", tmp_path / "out") == 0
    assert (np.array(Image.open(tmp_path / "out" / "deep" / "b.png")) == 1).all(), (
        "skin of CelebAMask-HQ"
    )
    (tmp_path / "bad.txt").write_text("0 0 300 far\n")
    assert script(tmp_path / "masks", tmp_path / "out", "--palette", tmp_path / "bad.txt") == 2
    assert "'0 0 300 far' is no class" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert script(tmp_path / "empty", tmp_path / "out") == 1


def test_a_large_mask_takes_little_memory(script):
    """All distances of its pixels at once would be 24 numbers for each: 77 MB here, gigabytes for a photograph."""
    import class_maps

    colours, _ = class_maps.palette_of(COLOURS)
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (800, 1000, 3), dtype=np.uint8)
    tracemalloc.start()
    found = np.asarray(class_maps.classes_of(Image.fromarray(pixels), colours, 200))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 15e6
    some = pixels[790:].astype(np.float64)
    distances = ((some[:, :, None] - colours) ** 2).sum(-1) ** 0.5
    wanted = np.where(distances.min(-1) > 200, 255, distances.argmin(-1))
    assert np.array_equal(found[790:], wanted)
    assert {0, 1, 2, 255} == set(np.unique(found))


def test_damaged_pictures_and_equal_names_are_told_in_a_sentence(script, tmp_path, capsys):
    masks, out = tmp_path / "masks", tmp_path / "out"
    (masks / "a").mkdir(parents=True)
    draw = np.random.default_rng(0)
    Image.fromarray(draw.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(masks / "b.png")
    whole = (masks / "b.png").read_bytes()
    (masks / "b.png").write_bytes(whole[: len(whole) // 2])
    assert script(masks, out) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith(f"'{masks / 'b.png'}' cannot be read as a picture (")
    assert "\n" not in said
    (masks / "b.png").write_bytes(whole)
    Image.new("RGB", (4, 4)).save(masks / "b.jpg")
    assert script(masks, out) == 1
    said = capsys.readouterr().err.strip()
    assert (
        said
        == f"'{masks / 'b.jpg'}' and '{masks / 'b.png'}' would both become 'b.png'; rename one."
    )
    assert not out.exists(), "found before anything is written"
    for name in ("a/b", "a_b"):
        (masks / name).mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(masks / name / "1.png")
    (masks / "b.jpg").unlink()
    assert script(masks, out, "--half", "left") == 1
    assert "would both become 'a_b_label/1.png'" in capsys.readouterr().err
