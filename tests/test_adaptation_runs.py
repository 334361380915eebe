"""Adaptation from the command line: trained, scored, shown, translated with, and gone on with."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

import gan_lab
from gan_lab.data.sets.mnist_shifted import MnistShifted
from gan_lab.evaluate import main as evaluate
from gan_lab.sample import main as sample
from gan_lab.train import main
from gan_lab.translate import main as translate
from tests.unit.test_data_sets import digits

TINY = [
    "debug=tiny", "logger=none", "strategy=cpu", "data.resolution=16", "samples.num=6", "max_rounds=2",
    "classifier.width=4",
]  # fmt: skip
KEYS = ["metric/target_accuracy", "metric/source_accuracy", "metric/translated_accuracy"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Forty digits of each split."""
    place = tmp_path_factory.mktemp("data")
    digits(place / "MNIST" / "raw", count=40, level=90)
    return place


@pytest.fixture(scope="module")
def trained(tmp_path_factory, root):
    """A finished run."""
    folder = tmp_path_factory.mktemp("adaptation") / "run"
    line = ["model=adaptation", *TINY, f"data.root={root}", f"hydra.run.dir={folder}"]
    assert main(line) == 0
    return folder


def scores(folder):
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [record for record in records if KEYS[0] in record]


def test_the_classifier_is_scored_on_held_out_images_of_both_kinds(trained):
    found = scores(trained)
    assert len(found) == 2, "before and after"
    for record in found:
        assert all(0 <= record[key] <= 1 for key in KEYS)
    protocol = found[-1]["protocol"]
    assert (protocol["split"], protocol["num_samples"]) == ("test", 20)
    assert protocol["higher_is_better"] is True


def test_it_is_evaluated_again_to_the_same_values(trained, capsys):
    assert evaluate([f"run={trained}", "metrics=adaptation"]) == 0
    lines = dict(line.split(" ") for line in capsys.readouterr().out.splitlines() if " " in line)
    for key in KEYS:
        assert float(lines[key]) == pytest.approx(scores(trained)[-1][key], abs=1e-6)
    assert evaluate([f"run={trained}", "metrics=adaptation", "metrics.split=train"]) != 0
    assert "labels of both" in capsys.readouterr().err
    # Distances look at what was translated, and at targets.
    assert evaluate([f"run={trained}", "metrics=translation", "metrics.split=test"]) == 0
    assert "metric/translation " in capsys.readouterr().out


def test_grids_and_given_images_are_translated(trained, tmp_path):
    assert sample([f"run={trained}", "num=4", f"out={tmp_path / 'grid.png'}"]) == 0
    model = gan_lab.load(trained)
    assert_close(model.sample(3, batch_size=2), model.sample(3), rtol=0, atol=1e-5)
    (tmp_path / "given").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (21, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "given" / "one.png")
    out = tmp_path / "made"
    assert translate([f"run={trained}", f"input={tmp_path / 'given'}", f"out={out}"]) == 0
    with Image.open(out / "one.png") as picture:
        assert picture.size == (30, 21)
    images = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
    assert_close(model.translate(images), model.translate(images))


def test_a_person_asks_the_classifier_in_python(trained, root):
    model = gan_lab.load(trained)
    data = MnistShifted(root=str(root), resolution=16).load("test")
    targets = data.tables["b"]
    logits = model.game.classify(model.networks, targets.images.float() / 127.5 - 1)
    right = (logits.argmax(dim=1) == targets.labels).double().mean()
    assert float(right) == pytest.approx(scores(trained)[-1][KEYS[0]], abs=1e-6)


def test_it_goes_on(trained):
    assert main([f"resume={trained}", "max_rounds=3"]) == 0
    assert gan_lab.load(trained).iteration == 3


def test_other_models_and_data_are_refused_in_words(root, tmp_path, capsys):
    run = f"hydra.run.dir={tmp_path / 'run'}"
    line = ["model=dcgan", "metrics=adaptation", "debug=tiny", "logger=none", run]
    assert main(line) != 0
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "target_accuracy needs" in said
    assert main(["model=adaptation", *TINY, "data=fashion_mini", "data.resolution=16", run]) != 0
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "reads images_a" in said
