"""Pictures of a finished run: seeds, truncation and formats, each opened again by another library."""

from __future__ import annotations

import tempfile

import numpy as np
import pytest
import torch
from PIL import Image

import gan_lab
from gan_lab import sample
from gan_lab.common.errors import ConfigError
from gan_lab.media.images import to_uint8
from gan_lab.train import main

TINY = ["debug=tiny", "logger=none", "metrics=none"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run with normal latents and some grids."""
    folder = tmp_path_factory.mktemp("runs") / "wgan, with a grid each round"
    options = ["model=wgan_gp", "max_rounds=4", "samples.every_kimg=0.001", "samples.num=4"]
    assert main([*TINY, *options, f"hydra.run.dir={folder}"]) == 0
    return folder


@pytest.fixture(scope="module")
def uniform(tmp_path_factory):
    """A finished run with uniform latents."""
    folder = tmp_path_factory.mktemp("runs") / "uniform"
    assert main([*TINY, "model=dcgan", "max_rounds=1", f"hydra.run.dir={folder}"]) == 0
    return folder


def opened(path):
    return np.asarray(Image.open(path).convert("RGB"))


def cell(grid, index, *, columns, size=32):
    """One image of a grid with its gap of two pixels, as grey bytes."""
    row, column = divmod(index, columns)
    top, left = 2 + row * (size + 2), 2 + column * (size + 2)
    return grid[top : top + size, left : left + size, 0]


def picture_of(model, seed, **options):
    """The picture that stands for a seed, made alone."""
    return to_uint8(model.sample(1, seed=seed, **options)[0, 0]).numpy().astype(int)


def test_a_seed_has_the_same_picture_everywhere(run, tmp_path, capsys):
    model = gan_lab.load(run)
    assert sample.main([f"run={run}", "seeds=0-2,77", "columns=4"]) == 0
    path = run / "generated" / "last-seeds-0-2,77-columns-4.png"
    assert capsys.readouterr().out == f"{path}\n"
    grid = opened(path)
    assert grid.shape == (32 + 4, 4 * 34 + 2, 3)
    alone = [picture_of(model, seed) for seed in (0, 1, 2, 77)]
    for index, expected in enumerate(alone):
        assert np.abs(cell(grid, index, columns=4) - expected).max() <= 1, "rounding at most"
    # Other neighbours, another order, another batch, single files, and the first of `seed=`.
    out = tmp_path / "single"
    assert sample.main([f"run={run}", "seeds=[77, 5]", "batch_size=1", f"out={out}"]) == 0
    assert np.abs(opened(out / "000000.png")[:, :, 0] - alone[3]).max() <= 1
    assert sample.main([f"run={run}", "seed=77", "num=3", f"out={tmp_path / 'x.png'}"]) == 0
    assert np.abs(cell(opened(tmp_path / "x.png"), 0, columns=2) - alone[3]).max() <= 1
    spread = max(np.abs(a - b).max() for a in alone for b in alone)
    assert spread > 8, "different seeds look different"


def test_seeds_with_batch_statistics(uniform):
    """The statistics are those of the seed's own first 64 images, whoever is beside it."""
    model = gan_lab.load(uniform)
    (images,) = model.batches_of([3, 9], batch_norm="batch")
    for image, seed in zip(images, (3, 9), strict=True):
        alone = model.sample(1, seed=seed, batch_norm="batch")[0]
        torch.testing.assert_close(image, alone, rtol=0, atol=1e-5)
    (running,) = model.batches_of([3, 9])
    assert (images - running).abs().max() > 1e-3


def test_truncated_samples(run, uniform, tmp_path, capsys):
    model = gan_lab.load(run)
    z = model.latents(50, seed=1, truncation=0.7)
    assert z.abs().max() <= 0.7
    images = model.sample(50, seed=1, truncation=0.7)
    assert torch.equal(images, model.generate(z))
    whole = model.sample(50, seed=1)
    assert (images - whole).abs().max() > 1e-3
    out = tmp_path / "truncated.png"
    assert sample.main([f"run={run}", "seed=1", "num=4", "truncation=0.7", f"out={out}"]) == 0
    expected = to_uint8(images[3, 0]).numpy().astype(int)
    assert np.abs(cell(opened(out), 3, columns=2) - expected).max() <= 1
    assert sample.main([f"run={run}", "seeds=1", "truncation=0.7"]) == 0
    first = opened(run / "generated" / "last-seeds-1-truncation-0.7.png")
    assert np.abs(first[:, :, 0] - to_uint8(images[0, 0]).numpy().astype(int)).max() <= 1
    capsys.readouterr()
    assert sample.main([f"run={uniform}", "truncation=0.7"]) == 2
    error = capsys.readouterr().err
    assert "truncation=0.7: the run draws its latents from a distribution (uniform)" in error
    assert len(error.splitlines()) == 1


def test_columns_and_scale(run, tmp_path):
    plain, large = tmp_path / "plain.png", tmp_path / "large.png"
    command = [f"run={run}", "num=6", "columns=3"]
    assert sample.main([*command, f"out={plain}"]) == 0
    assert sample.main([*command, "scale=3", f"out={large}"]) == 0
    small, wide = opened(plain), opened(large)
    assert small.shape == (2 * 34 + 2, 3 * 34 + 2, 3)
    assert wide.shape == (2 * 98 + 2, 3 * 98 + 2, 3)
    for index in range(6):
        image = cell(small, index, columns=3)
        assert np.array_equal(
            cell(wide, index, columns=3, size=96), np.kron(image, np.ones((3, 3)))
        )
    out = tmp_path / "single"
    assert sample.main([f"run={run}", "num=2", "scale=3", f"out={out}"]) == 0
    assert opened(out / "000001.png").shape == (96, 96, 3)


def test_a_sweep_leaves_only_its_pictures(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "aside"))
    (tmp_path / "aside").mkdir()
    (tmp_path / "multirun.yaml").write_text("somebody's own")
    assert sample.main(["-m", f"run={run}", "seed=1,2", "num=1", "out=${seed}.png"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        "1.png",
        "2.png",
        "aside",
        "multirun.yaml",
    }
    assert not list((tmp_path / "aside").glob("gan_lab-*"))
    assert (tmp_path / "multirun.yaml").read_text() == "somebody's own"


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".GIF", ".tiff", ".bmp", ".jp2", ".ppm"])
def test_a_grid_of_any_suffix_that_pillow_writes(run, tmp_path, suffix):
    exact, out = tmp_path / "grid.png", tmp_path / f"grid{suffix}"
    for path in (exact, out):
        assert sample.main([f"run={run}", "num=4", f"out={path}"]) == 0
    assert out.is_file()
    difference = np.abs(opened(out).astype(int) - opened(exact))
    assert difference.max() == 0 or (suffix == ".jpg" and difference.mean() < 3)
    assert Image.open(out).format != "PNG"


def test_a_grid_as_pdf(run, tmp_path):
    out = tmp_path / "grid.pdf"
    assert sample.main([f"run={run}", "num=4", f"out={out}"]) == 0
    content = out.read_bytes()
    assert content.startswith(b"%PDF")
    assert content.rstrip().endswith(b"%%EOF")


@pytest.mark.parametrize("name", ["fakes/", "there.png", "lr=0.001", "fakes"])
def test_a_folder_may_have_any_name(run, tmp_path, name):
    if name == "there.png":
        (tmp_path / name).mkdir()
    assert sample.main([f"run={run}", "num=2", f"out={tmp_path}/{name}"]) == 0
    assert sorted(file.name for file in (tmp_path / name).iterdir()) == ["000000.png", "000001.png"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["out=x.doc"], "pictures with the suffix .doc cannot be written; use .png, .jpg"),
        (["out=x.h5"], "pictures with the suffix .h5 cannot be written"),
        (["out=x.ico"], "pictures with the suffix .ico cannot be written"),
        (["seeds=3-1"], "seeds=3-1: 3-1 runs backwards; write 1-3."),
        (["seeds=1,2", "seed=4"], "seeds=1,2 seed=4: seeds says which images are wanted"),
        (["seeds=1,2", "num=4"], "leave num out"),
        (["truncation=0"], "truncation=0: must lie in (0, inf)."),
        (["columns=0"], "columns=0: must lie in [1, inf)."),
        (["columns=4", "out=fakes"], "columns=4: a folder of single files has no columns"),
        (["scale=0"], "scale=0: must lie in [1, 64]."),
        (["scale=1.5"], "scale=1.5: must be a whole number."),
    ],
)
def test_errors_are_one_sentence(run, tmp_path, monkeypatch, options, said, capsys):
    monkeypatch.chdir(tmp_path)
    assert sample.main([f"run={run}", *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_format_that_cannot_hold_the_picture_is_a_sentence(run, tmp_path, capsys):
    out = tmp_path / "long.webp"
    command = [f"run={run}", "num=100", "columns=100", "scale=6", f"out={out}"]
    assert sample.main(command) == 1
    error = capsys.readouterr().err
    assert f"{out}: WEBP cannot hold a picture of 19402 x 196 pixels" in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_loaded_generator_says_what_it_is(run, uniform):
    said = repr(gan_lab.load(run))
    assert "wgan_gp on fashion_mini after 0.032 kimg, 32 x 32 grey, EMA weights" in said, said
    assert "128 normal latents" in said
    assert str(run / "checkpoints" / "last.ckpt") in said
    assert "dcgan" in repr(gan_lab.load(uniform, ema=False))
    assert "raw weights, 100 uniform latents" in repr(gan_lab.load(uniform, ema=False))


def test_images_from_numbers(run):
    model = gan_lab.load(run)
    z = model.latents(70, seed=2)
    assert z.shape == (70, 128)
    assert torch.equal(model.generate(z), model.sample(70, seed=2))
    torch.testing.assert_close(
        model.generate(z, batch_size=7), model.sample(70, seed=2), rtol=0, atol=1e-5
    )
    assert torch.equal(model.latents_of([2, 9])[0], z[0])
    assert torch.equal(model.generate(z[:2].numpy()), model.generate(z[:2]))
    stations = model.latents_of([2, 9])
    walked = model.walk(stations, 4)
    assert walked.shape == (5, 128)
    assert torch.equal(walked[[0, 4]], stations)
    for wrong in (z[0], z[:, :5], z[:0]):
        with pytest.raises(ConfigError, match=r"this generator takes \(N, 128\)"):
            model.generate(wrong)
