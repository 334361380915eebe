"""The command `latent`: what it writes is opened again, and what it cannot do is said in a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import gan_lab
from gan_lab import latent
from gan_lab.editing.directions import directions
from gan_lab.editing.spaces import space_of
from gan_lab.media.grids import save_grid
from gan_lab.train import main

TINY = ["debug=tiny", "logger=none", "metrics=none", "max_rounds=2", "samples.num=4"]
SIDE = 64 + 2  # of an image of 32 pixels, enlarged, with the gap


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run with normal latents."""
    folder = tmp_path_factory.mktemp("runs") / "normal"
    assert main([*TINY, "model=wgan_gp", f"hydra.run.dir={folder}"]) == 0
    return folder


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """A finished run of a model with labels and uniform latents."""
    folder = tmp_path_factory.mktemp("runs") / "labelled"
    options = ["model=cgan", "latent=uniform", "generator=dcgan", "discriminator=dcgan"]
    assert main([*TINY, *options, f"hydra.run.dir={folder}"]) == 0
    return folder


def told(capsys, *options):
    """What a command that succeeds says, and the picture it made as columns and rows."""
    assert latent.main(list(options)) == 0
    *lines, path = capsys.readouterr().out.splitlines()
    with Image.open(path) as picture:
        width, height = picture.size
    return lines, Path(path), ((width - 2) / SIDE, (height - 2) / SIDE)


@pytest.mark.parametrize("method", ["sefa", "pca"])
def test_directions_are_a_picture_and_numbers(run, capsys, method):
    lines, path, grid = told(
        capsys, f"run={run}", "do=directions", f"method={method}", "count=3", "seeds=0,5"
    )
    assert grid == (7, 3 * 2)
    assert f"3 directions of {method}" in lines[0]
    kept = np.load(path.with_suffix(".npz"))
    assert str(kept["space"]) == "z"
    found = directions(space_of(gan_lab.load(run)), 3, method=method)
    assert torch.allclose(torch.from_numpy(kept["directions"]), found, atol=1e-5)


def test_truncation_has_a_row_for_each_seed(run, capsys):
    lines, _, grid = told(capsys, f"run={run}", "do=truncation", "seeds=0-2", "truncations=[0.5,1]")
    assert grid == (2, 3)
    assert lines == ["Columns, from the left: truncation 0.5, 1."]


def test_attributes_are_those_of_the_data_s_classes(labelled, capsys):
    lines, path, grid = told(
        capsys, f"run={labelled}", "do=attributes", "seeds=1", "steps=3", "num_samples=100",
        "train_kimg=1", "classes=2",
    )  # fmt: skip
    assert grid == (3, 10)
    assert lines[0].startswith("T-shirt/top: correlation ")
    assert np.load(path.with_suffix(".npz"))["directions"].shape[0] == 10


def test_projections_come_with_their_points_and_a_walk_goes_between_them(run, capsys, tmp_path):
    model = gan_lab.load(run)
    folder = tmp_path / "targets"
    for index, image in enumerate(model.sample(2, seed=4)):
        save_grid(image[None], folder / f"{index}.png")
    out = tmp_path / "found.png"
    lines, _, grid = told(
        capsys, f"run={run}", "do=projection", f"images={folder}", "iterations=3", f"out={out}"
    )
    assert grid == (2, 2)
    assert lines[0].startswith("0.png: distance ")
    assert "gan_lab small perceptual network" in lines[0]
    points = tmp_path / "found.npz"
    assert np.load(points)["points"].shape == (2, model.latent_dim)
    _, _, grid = told(
        capsys, f"run={run}", "do=walk", f"points={points}", "frames=4", f"out={tmp_path / 'w.png'}"
    )
    assert grid == (5, 1)
    film = tmp_path / "search.gif"
    told(capsys, f"run={run}", "do=projection", f"images={folder}", "iterations=5", f"out={film}")
    with Image.open(film) as moving:
        assert 1 < moving.n_frames <= 5


def test_styles_have_a_space_of_their_own(tmp_path, capsys):
    run = tmp_path / "styled"
    tiny = [*TINY, "data.resolution=16", "generator.style_dim=8", "generator.mapping_layers=2"]
    assert main([*tiny, "model=stylegan2", f"hydra.run.dir={run}"]) == 0
    space = space_of(gan_lab.load(run))
    assert (space.name, space.dim) == ("w", 8)
    points = space.points(space.model.latents(3))
    assert torch.allclose(space.draw(points).clamp(-1, 1), space.model.sample(3), atol=1e-5)
    found = directions(space, 3)
    assert torch.allclose(found @ found.T, torch.eye(3), atol=1e-5)
    for do in ("mixing", "truncation", "directions"):
        assert latent.main([f"run={run}", f"do={do}", "seeds=0,1", "mix_seeds=5-7", "count=2"]) == 0
    assert "Layers 0, 1, 2 have the styles" in capsys.readouterr().out


def test_a_default_s_name_says_what_is_in_it(run, capsys):
    _, path, _ = told(capsys, f"run={run}", "do=directions", "count=1", "seeds=7", "ema=false")
    assert path.name == "last-raw-directions-z-sefa-seeds-7.png"
    assert path.parent == run / "generated"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "do=None: must be one of truncation, mixing, directions"),
        (["do=direction"], "do=direction: must be one of truncation, mixing, directions"),
        (["do=mixing"], "do=mixing: is for generators with styles"),
        (["do=directions", "space=w"], "space=w: this run's generator has no mapping network"),
        (["do=directions", "space=q"], "space=q: must be one of z, w"),
        (["do=directions", "count=1000"], "count=1000: must lie in [1,"),
        (["do=directions", "seeds=x"], "seeds=x: x is no seed"),
        (["do=projection"], "images=: say which image to look for"),
        (["do=projection", "images=nowhere"], "images=nowhere: no image is there"),
        (["do=walk"], "points=: name the .npz file"),
        (["do=walk", "points=nowhere.npz"], "points=nowhere.npz: is no file of points"),
        (["do=directions", "out=x.mp4"], "out=x.mp4: "),
        (["do=directions", "classes=3"], "classes"),
        (["do=directions", "cuont=3"], "cuont: no such option; did you mean count?"),
    ],
)
def test_mistakes_are_told_in_a_sentence(run, options, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert latent.main([f"run={run}", *options]) != 0
    said = capsys.readouterr().err
    assert sentence in said, said
    assert "Traceback" not in said
    assert not list(tmp_path.iterdir())
