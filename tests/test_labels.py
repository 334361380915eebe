"""Labels: how fakes get theirs, and what a sample can be asked for; with networks outside gan_lab."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

import gan_lab
from gan_lab.common.errors import ConfigError
from gan_lab.games.labels import LabelLaw, written
from gan_lab.generation.classes import classes_of
from gan_lab.media.grid_facts import read_samples
from gan_lab.sample import main as sample
from gan_lab.train import main

ALLOWED = "allow_targets=[tests.]"
CHOICES = [
    "generator._target_=tests.toy.labelled.Paints", "discriminator._target_=tests.toy.labelled.Compares", ALLOWED,
    "metrics=none", "logger=none", "strategy=cpu", "debug=tiny", "samples.num=20", "max_rounds=6",
]  # fmt: skip
EVENLY = (torch.arange(1000) + 0.5) / 1000


def test_labels_are_written_one_hot():
    found = written(torch.tensor([2, -1, 0]), 3)
    assert found.tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]
    attributes = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    assert torch.equal(written(attributes, 2), attributes)


def test_fakes_get_labels_as_often_as_the_data_has_them():
    law = LabelLaw(3, "data")
    law.learn(torch.tensor([0, 0, 0, 2, -1]))
    drawn = law.draw(EVENLY)
    assert drawn.sum(0).tolist() == [750, 0, 250]
    even = LabelLaw(3, "uniform")
    even.learn(torch.tensor([0, 0, 0, 2]))
    assert even.draw(EVENLY).sum(0).tolist() == [500, 0, 500]


def test_attributes_keep_their_combinations():
    law = LabelLaw(2, "data")
    law.learn(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))
    drawn = law.draw(EVENLY)
    assert {tuple(row) for row in drawn.tolist()} == {(1.0, 0.0), (0.0, 1.0)}
    assert law.exclusive, "one attribute each is as good as a class"
    law.learn(torch.tensor([[1.0, 1.0], [0.0, 1.0]]))
    assert not law.exclusive
    other = LabelLaw(2, "data")
    other.load_state_dict(law.state_dict())
    assert torch.equal(other.edges, law.edges)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labelled") / "run"
    assert main([*CHOICES, f"hydra.run.dir={folder}"]) == 0
    return folder


def test_a_sample_shows_the_class_that_is_asked_for(trained):
    """The toy paints a class's number into every pixel, and latents of any other index change nothing of that."""
    model = gan_lab.load(trained, allow_targets=["tests."])
    assert model.classes[9] == "Ankle boot"
    seven = model.sample(5, classes=7)
    assert torch.equal(seven, torch.full_like(seven, 0.7))
    mixed = model.sample(4, classes=[1, 2], batch_size=3)
    assert mixed.flatten(1).amax(1).tolist() == pytest.approx([0.1, 0.2, 0.1, 0.2])
    drawn = model.sample(200).flatten(1).amax(1)
    assert len(drawn.unique()) == 10, "without a wish the data's law decides"
    assert torch.equal(model.sample(200, batch_size=7), model.sample(200))
    labels = model.sampler().labels(0, 200)
    torch.testing.assert_close(labels / 10, drawn)
    with pytest.raises(ConfigError, match=r"classes=10: must lie in \[0, 9\]"):
        model.sample(1, classes=10)


def test_the_run_s_grid_has_a_row_for_each_class(trained):
    grid = sorted((trained / "samples").glob("kimg-*.png"))[-1]
    _, facts = read_samples(grid)
    assert (facts.rows, facts.count % 10) == (10, 0)


def test_the_command_asks_for_classes(trained, tmp_path, capsys):
    how = [f"run={trained}", ALLOWED]
    assert sample([*how, "classes=all", "num=3", f"out={tmp_path}/all.png"]) == 0
    with Image.open(tmp_path / "all.png") as picture:
        assert picture.size == (3 * 34 + 2, 10 * 34 + 2)
    assert sample([*how, "classes=Sneaker", "num=2", f"out={tmp_path}/sneaker.png"]) == 0
    assert sample([*how, "classes=Sneeker"]) == 2
    assert "did you mean Sneaker?" in capsys.readouterr().err


def test_several_attributes_are_shown_as_they_are(trained):
    game = gan_lab.load(trained, allow_targets=["tests."]).game
    game.label_law.learn(torch.nn.functional.one_hot(torch.arange(10), 10).float().cumsum(1))
    shown = game.labels_of(range(50), seed=0)
    assert shown.shape == (50, 10)
    assert torch.equal(shown, game.inputs(range(50), seed=0)["labels"])
    assert shown.sum(1).max() > 1


def test_resume_goes_on_bit_for_bit(trained, tmp_path):
    assert main([*CHOICES, "max_rounds=3", f"hydra.run.dir={tmp_path}"]) == 0
    assert main([f"resume={tmp_path}", "max_rounds=6", ALLOWED]) == 0
    whole, halves = (
        gan_lab.load(folder, allow_targets=["tests."]).game.state_dict()
        for folder in (trained, tmp_path)
    )
    assert all(torch.equal(whole[key], halves[key]) for key in whole)


def test_data_without_labels_is_refused_in_words(tmp_path, capsys):
    folder = tmp_path / "plain"
    folder.mkdir()
    for index in range(8):
        Image.new("L", (16, 16), index).save(folder / f"{index}.png")
    command = [
        *CHOICES,
        "data=image_folder",
        f"data.root={folder}",
        f"hydra.run.dir={tmp_path}/run",
    ]
    assert main(command) == 2
    assert "generator: needs labels, and this data has none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "found"),
    [("7", [7]), (3, [3]), ("b", [1]), ("0-2,9", [0, 1, 2, 9]), ("all", list(range(10)))],
)
def test_classes_are_read(text, found):
    assert classes_of(text, ["a", "b", *"cdefghij"]) == found


def test_a_model_without_classes_says_so():
    with pytest.raises(ConfigError, match="images of no certain class"):
        classes_of("7", [])
