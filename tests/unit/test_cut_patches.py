"""scripts/cut_patches.py: patches are what stood in the photograph, and together they are all of it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from PIL import Image

from tests.conftest import REPOSITORY

SCRIPT = REPOSITORY / "scripts" / "cut_patches.py"


def run(*words: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(SCRIPT), *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_patches_cover_every_pixel_of_a_photograph(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (37, 50, 3), dtype=np.uint8)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    Image.fromarray(pixels).save(tmp_path / "in" / "deep" / "one.png")
    Image.fromarray(pixels[:10]).save(tmp_path / "in" / "flat.png")
    done = run(tmp_path / "in", tmp_path / "out", "--side", 16, "--step", 12)
    assert done.returncode == 0
    assert "12 patches of 16 pixels" in done.stdout
    assert "1 photographs are smaller and were left out, such as 'flat.png'" in done.stdout
    seen = np.zeros((37, 50), dtype=bool)
    for file in (tmp_path / "out" / "deep").iterdir():
        top, left = (int(part) for part in file.stem.split("_")[-2:])
        assert np.array_equal(np.array(Image.open(file)), pixels[top : top + 16, left : left + 16])
        seen[top : top + 16, left : left + 16] = True
    assert seen.all()


def test_a_folder_that_is_not_there_is_said(tmp_path):
    done = run(tmp_path / "nowhere", tmp_path / "out")
    assert done.returncode == 2
    assert "Give a folder of photographs" in done.stderr
