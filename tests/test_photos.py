"""Own photos: a handful of pictures of any size trains at once, with sentences for what is unusual about it."""

from __future__ import annotations

import pytest
import yaml
from PIL import Image

from gan_lab.storage.run_folder import RunFolder
from gan_lab.train import main

PHOTOS = [
    "experiment=photos",
    "logger=none",
    "generator.width=8",
    "discriminator.width=8",
    "samples.num=4",
]


@pytest.fixture
def pictures(tmp_path):
    """Five photographs in upright, wide and square shapes, in three kinds of files."""
    folder = tmp_path / "my photos"
    folder.mkdir()
    shapes = {
        "a.jpg": (90, 60),
        "b.png": (60, 90),
        "c.webp": (50, 50),
        "d.jpg": (20, 200),
        "e.JPEG": (33, 40),
    }
    for index, (name, size) in enumerate(shapes.items()):
        Image.new("RGB", size, (40 * index, 90, 200 - 30 * index)).save(folder / name)
    return folder


def test_five_pictures_train_with_a_smaller_batch(tmp_path, monkeypatch, pictures):
    monkeypatch.chdir(tmp_path)
    line = [
        *PHOTOS,
        "data.root=my photos",
        "data.batch_size=16",
        "max_rounds=2",
        "hydra.run.dir=run",
    ]
    assert main(line) == 0
    run = RunFolder("run")
    assert "There are only 5 images: a batch holds 4 instead of 16." in run.log.read_text()
    assert "4 of 5 images are not square" in run.log.read_text()
    assert yaml.safe_load(run.config.read_text())["data"]["batch_size"] == 16
    assert sorted(grid.name for grid in run.samples.glob("kimg-*.png")) == [
        "kimg-000000.000.png",
        "kimg-000000.008.png",
    ]
    assert main(["resume=run", "max_rounds=3"]) == 0
    assert run.records()[-1]["images_seen"] == 12


def test_one_picture_is_a_batch(tmp_path, monkeypatch, pictures):
    monkeypatch.chdir(tmp_path)
    alone = tmp_path / "one"
    alone.mkdir()
    (pictures / "a.jpg").rename(alone / "a.jpg")
    assert (
        main([*PHOTOS, "data.root=one", "data.crop=fit", "max_rounds=2", "hydra.run.dir=run"]) == 0
    )
