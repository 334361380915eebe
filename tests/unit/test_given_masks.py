"""Inpainting with masks that a person has: read, drawn, saved with the run, and refused in words."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import gan_lab
from gan_lab.data.decoding.masks import read_masks
from gan_lab.degrade.holes import Holes
from gan_lab.storage.checkpoint import load_checkpoint
from gan_lab.train import main
from tests.test_resume import assert_same_state
from tests.unit.test_translation import Drawn, noise


def masks_in(folder, *, size=16):
    """Two masks of a person: a white half, and a white corner in colour."""
    folder.mkdir()
    half = np.zeros((size, size), dtype=np.uint8)
    half[:, : size // 2] = 255
    Image.fromarray(half).save(folder / "half.png")
    corner = np.zeros((2 * size, size, 3), dtype=np.uint8)
    corner[:size, : size // 2] = 255
    Image.fromarray(corner).save(folder / "corner.png")
    return folder


def test_given_masks_are_drawn_for_each_image(tmp_path) -> None:
    masks = read_masks(masks_in(tmp_path / "masks"), 8)
    assert masks.dtype == torch.bool
    assert masks.sum(dim=(1, 2)).tolist() == [16, 32], "in the order of their names"
    assert masks[0, :4, :4].all()
    part = Holes(shape="given", masks="anywhere")
    images = noise(200, 3, 8, 8)
    assert not part.region(part(images, Drawn())).any(), "before there are masks"
    part.take(masks)
    region = part.region(part(images, Drawn()))[:, 0].bool()
    first = (region == masks[0]).all(dim=2).all(dim=1)
    assert ((region == masks[1]).all(dim=2).all(dim=1) ^ first).all()
    assert 70 < int(first.sum()) < 130


def test_a_run_with_given_masks_goes_on_without_their_folder(tmp_path):
    folder = masks_in(tmp_path / "masks")
    line = [
        "model=inpainting", "data=fashion_mini", "debug=tiny", "logger=none", "metrics.num_samples=8",
        "degrade.holes.shape=given", f"degrade.holes.masks={folder}",
    ]  # fmt: skip
    assert main([*line, "max_rounds=4", f"hydra.run.dir={tmp_path / 'whole'}"]) == 0
    assert main([*line, "max_rounds=2", f"hydra.run.dir={tmp_path / 'run'}"]) == 0
    shutil.rmtree(folder)
    assert main([f"resume={tmp_path / 'run'}", "max_rounds=4"]) == 0
    assert_same_state(
        *(load_checkpoint(tmp_path / one / "checkpoints" / "last.ckpt") for one in ("run", "whole"))
    )
    assert gan_lab.load(tmp_path / "run").sample(2).shape[0] == 2


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["degrade.holes.shape=given"], "degrade.holes.shape=given with masks=None"),
        (["degrade.holes.masks=somewhere"], "shape=box with masks=somewhere: masks of your own"),
        (["degrade.holes.shape=given", "degrade.holes.masks=nowhere"], "holes.masks=nowhere: '.*' does not exist"),
        (["degrade.holes.shape=given", "degrade.holes.masks={black}"], "'black.png' has no white part, and so no hole"),
    ],
)  # fmt: skip
def test_masks_that_cannot_be_are_told_in_a_sentence(tmp_path, monkeypatch, capsys, more, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "black").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "black" / "black.png")
    more = [one.format(black=tmp_path / "black") for one in more]
    line = ["model=inpainting", "data=fashion_mini", "debug=tiny", "logger=none", "max_rounds=1"]
    assert main([*line, *more, f"hydra.run.dir={tmp_path / 'run'}"]) != 0
    found = capsys.readouterr().err
    assert "Traceback" not in found
    assert re.search(said, found), found
