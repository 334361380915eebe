"""Runs from image to image from the command line: trained, sampled, scored, loaded, and gone on with."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

import gan_lab
from gan_lab.evaluate import main as evaluate
from gan_lab.interpolate import main as interpolate
from gan_lab.sample import main as sample
from gan_lab.storage.checkpoint import load_checkpoint
from gan_lab.train import main
from tests.conftest import differing

TINY = [
    "debug=tiny", "logger=none", "strategy=cpu", "data.resolution=32", "samples.num=6", "max_rounds=2",
]  # fmt: skip
NARROW = [
    "generator_ab.width=4", "generator_ba.width=4", "generator_ab.blocks=1", "generator_ba.blocks=1",
    "discriminator_a.width=4", "discriminator_b.width=4", "discriminator_a.layers=1", "discriminator_b.layers=1",
]  # fmt: skip
MODELS = {
    "pix2pix": ["model=pix2pix", "discriminator.layers=1"],
    "cyclegan": ["model=cyclegan", *NARROW],
    "cut": ["model=cut", "generator.blocks=1", "discriminator.layers=1", "model.patches=32"],
    "inpainting": ["model=inpainting", "data=image_folder", "discriminator.layers=1"],
}
FOLDERS = {
    "pix2pix": "pairs",
    "cyclegan": "unpaired",
    "cut": "unpaired",
    "inpainting": "photos",
}
VALUES = {
    "pix2pix": "metric/l1",
    "cyclegan": "metric/translation",
    "cut": "metric/translation",
    "inpainting": "metric/region_l1",
}
BESIDE = {  # values that a model's metric has beside
    "pix2pix": {"metric/psnr", "metric/ssim", "metric/ms_ssim", "metric/perceptual"},
    "cyclegan": {"metric/translation_a", "metric/translation_b", "metric/cycle"},
    "cut": set(),
    "inpainting": {"metric/region_psnr", "metric/region_perceptual"},
}
METRICS = {"pix2pix": "paired", "inpainting": "region"}
# Of the held-out split: the folder of the column that a run's grids show.
SHOWN = {"pix2pix": ("test", "partner"), "inpainting": ("test", "images")}
TWO_KINDS = ("testA", "images_a")


# Recipes of papers, with the stand-in that their data is here.
RECIPES = {
    "facades": ("pairs", ()),
    "maps": ("pairs", ()),
    "edges2shoes": ("pairs", ()),
    "cityscapes": ("streets", ("discriminator.layers=2", "generator.hidden=8")),
    "horse2zebra": ("unpaired", NARROW),
    "div2k_x4": ("photos", ("generator.blocks=1", "discriminator.layers=1", "data.holdout=0")),
}


def save_noise(folder, count, size, draw):
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = draw.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")


def save_streets(root, split, count, draw):
    """Cityscapes' folders and names; beside the maps of classes lie others, in colours."""
    folders = [root / kind / split / "ulm" for kind in ("leftImg8bit", "gtFine")]
    for folder in folders:
        folder.mkdir(parents=True)
    for number in range(count):
        name = f"ulm_{number:06}"
        pixels = draw.integers(0, 256, (32, 64, 3), dtype=np.uint8)
        classes = draw.integers(0, 19, (32, 64), dtype=np.uint8)
        Image.fromarray(pixels).save(folders[0] / f"{name}_leftImg8bit.png")
        Image.fromarray(classes).save(folders[1] / f"{name}_gtFine_labelTrainIds.png")
        Image.fromarray(pixels).save(folders[1] / f"{name}_gtFine_color.png")


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """Pictures of pairs, and folders of two kinds of images, of different numbers."""
    place, draw = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for split, count in (("train", 9), ("test", 5)):
        save_noise(place / "pairs" / split, count, (64, 32), draw)
        save_noise(place / "unpaired" / f"{split}A", count, (32, 32), draw)
        save_noise(place / "unpaired" / f"{split}B", count + 2, (32, 32), draw)
        save_noise(place / "photos" / split, count, (32, 32), draw)
        save_streets(place / "streets", split if split == "train" else "val", count, draw)
    return place


@pytest.fixture(scope="module", params=list(MODELS))
def trained(request, tmp_path_factory, roots):
    """A finished run, with the options that made it."""
    folder = tmp_path_factory.mktemp(request.param) / "run"
    line = [*MODELS[request.param], *TINY, f"data.root={roots / FOLDERS[request.param]}"]
    assert main([*line, f"hydra.run.dir={folder}"]) == 0
    return request.param, folder


def test_it_is_scored_on_the_held_out_split(trained):
    model, folder = trained
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    scored = [record for record in records if VALUES[model] in record]
    assert len(scored) == 2, "before and after"
    assert scored[-1]["protocol"]["split"].startswith("test")
    assert scored[-1]["protocol"]["num_samples"] == 5
    assert "An evaluation of 5 samples" in (folder / "train.log").read_text()
    values = {key for key in scored[-1] if key.startswith("metric/")}
    assert values - {"metric/seconds", "metric/time_share"} == {VALUES[model], *BESIDE[model]}
    if model == "inpainting":
        # The mean of the known pixels is known beforehand; a generator that begins near grey is as far as that.
        plain = scored[0]["protocol"]["region_l1_of_the_known_mean"]
        assert scored[0]["metric/region_l1"] == pytest.approx(plain, rel=0.2)
        assert plain == pytest.approx(0.25, abs=0.05), "of uniform noise from its mean"


def test_answers_without_learning_stand_beside(trained, roots):
    """Of pairs: the distance of the halves of each held-out picture, by numpy."""
    model, folder = trained
    if model != "pix2pix":
        pytest.skip("is about pairs")
    halves = [
        np.split(np.array(Image.open(path)).astype(float) / 255, 2, axis=1)
        for path in (roots / FOLDERS[model] / "test").glob("*.png")
    ]
    l1 = np.mean([abs(left - right).mean() for left, right in halves])
    psnr = np.mean([-10 * np.log10(((a - b) ** 2).mean()) for a, b in halves])
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    protocols = [record["protocol"] for record in records if "metric/l1" in record]
    for protocol in protocols:
        assert protocol["l1_of_the_source"] == pytest.approx(l1, rel=1e-4)
        assert protocol["psnr_of_the_source"] == pytest.approx(psnr, rel=1e-4)
        assert protocol["ssim_of_the_mean_image"] < 0.5


def test_grids_show_rows_of_the_held_out_split(trained, roots):
    model, folder = trained
    game = gan_lab.load(folder).game
    place, column = SHOWN.get(model, TWO_KINDS)
    with Image.open(roots / FOLDERS[model] / place / "0.png") as picture:
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
    wanted = pixels[:, :, 32:] if model == "pix2pix" else pixels
    kept = getattr(game, f"kept_{column}")
    assert any(torch.equal(one, wanted) for one in kept)


def test_the_commands_after_training_know_it(trained, tmp_path, capsys):
    _, folder = trained
    assert sample([f"run={folder}", "num=4", f"out={tmp_path / 'grid.png'}"]) == 0
    assert sample([f"run={folder}", "num=4", "ask.view=source", f"out={tmp_path / 'in.png'}"]) == 0
    assert (tmp_path / "grid.png").read_bytes() != (tmp_path / "in.png").read_bytes()
    model = gan_lab.load(folder)
    assert_close(model.sample(3, batch_size=2), model.sample(3), rtol=0, atol=1e-5)
    assert "from" in repr(model)
    capsys.readouterr()
    assert interpolate([f"run={folder}", "seeds=1,2"]) != 0
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "is for latents" in said


def test_it_is_evaluated_again_to_the_same_values(trained, capsys):
    model, folder = trained
    assert evaluate([f"run={folder}", f"metrics={METRICS.get(model, 'translation')}"]) == 0
    lines = dict(line.split(" ") for line in capsys.readouterr().out.splitlines() if " " in line)
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    last = [record for record in records if VALUES[model] in record][-1]
    assert float(lines[VALUES[model]]) == pytest.approx(last[VALUES[model]], rel=1e-4, abs=1e-6)


def test_it_goes_on_as_if_it_had_not_stopped(trained, roots, tmp_path):
    """Bit for bit as a run of three rounds at once."""
    model, folder = trained
    assert main([f"resume={folder}", "max_rounds=3"]) == 0
    assert gan_lab.load(folder).iteration == 3
    line = [*MODELS[model], *TINY, f"data.root={roots / FOLDERS[model]}", "max_rounds=3"]
    assert main([*line, f"hydra.run.dir={tmp_path / 'whole'}"]) == 0
    gone_on, whole = (flat(one) for one in (folder, tmp_path / "whole"))
    assert len(whole) > 50
    assert differing(gone_on, whole) == set()


def flat(folder):
    """Every tensor of a run's last checkpoint by its path in it."""
    found, waiting = {}, [("", load_checkpoint(folder / "checkpoints" / "last.ckpt"))]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, torch.Tensor):
            found[path] = value
        elif isinstance(value, dict | list | tuple):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            waiting += [(f"{path}/{key}", one) for key, one in items]
    return found


def test_a_value_that_the_model_does_not_have_ranks_nothing(roots, capsys, tmp_path):
    line = [*MODELS["cut"], *TINY, f"data.root={roots / 'unpaired'}", "checkpoint.monitor=cycle"]
    assert main([*line, f"hydra.run.dir={tmp_path / 'run'}"]) != 0
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "checkpoint.monitor=metric/cycle: of this model there is no such value" in said


def test_data_without_partners_is_refused_in_words(capsys, tmp_path):
    line = ["model=pix2pix", "data=fashion_mini", *TINY, f"hydra.run.dir={tmp_path / 'run'}"]
    assert main(line) != 0
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "partner" in said


@pytest.mark.parametrize("name", list(RECIPES))
def test_recipes_of_papers_run_where_their_data_is(name, roots, tmp_path):
    place, narrow = RECIPES[name]
    line = [f"experiment={name}", *TINY, *narrow, f"data.root={roots / place}", "max_rounds=1"]
    assert main([*line, f"hydra.run.dir={tmp_path / 'run'}"]) == 0
    assert gan_lab.load(tmp_path / "run").iteration == 1
