"""The script that turns masks in colours into class maps."""

from __future__ import annotations

import sys

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
