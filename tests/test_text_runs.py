"""Runs over text from the command line's functions: the folder, a resume across phases, samples and what is refused."""

from __future__ import annotations

import pytest

import gan_lab
from gan_lab.common.errors import ConfigError
from gan_lab.sample import main as sample
from gan_lab.train import main
from tests.test_resume import assert_same_state, last

SMALL = (
    "model=seqgan", "debug=tiny", "logger=none", "strategy=cpu", "data.vocab_size=9", "data.length=5", "data.width=4",
    "data.count=64", "model.likelihood_kimg=0.016", "model.discriminator_kimg=0.008", "model.rollouts=2",
    "model.baseline=true",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text") / "run"
    assert main([*SMALL, "max_rounds=12", f"hydra.run.dir={folder}"]) == 0
    return folder


def lines(path):
    return path.read_text().splitlines()


def test_samples_are_lines_of_text(run):
    shown = sorted(path.name for path in (run / "samples").iterdir())
    assert shown == ["kimg-000000.000.txt", "kimg-000000.096.txt", "reals.txt"]
    for path in (run / "samples").iterdir():
        assert len(lines(path)) == 16
        assert all(len(line.split()) == 5 for line in lines(path))
        assert {int(token) for line in lines(path) for token in line.split()} <= set(range(9))


def test_a_resume_across_phases_is_exact(run, tmp_path):
    folder = tmp_path / "run"
    assert main([*SMALL, "max_rounds=1", f"hydra.run.dir={folder}"]) == 0
    for rounds in (3, 12):
        assert main([f"resume={folder}", f"max_rounds={rounds}"]) == 0
    assert_same_state(last(run), last(folder))
    name = "samples/kimg-000000.096.txt"
    assert lines(folder / name) == lines(run / name)


def test_sample_writes_lines_the_same_whatever_the_batch(run, capsys):
    assert sample([f"run={run}", "num=10", "batch_size=3"]) == 0
    path = run / "generated" / capsys.readouterr().out.strip().rpartition("/")[2]
    assert path.suffix == ".txt"
    assert len(lines(path)) == 10
    assert sample([f"run={run}", "num=4", f"out={run}/four.txt"]) == 0
    assert lines(run / "four.txt") == lines(path)[:4]
    assert sample([f"run={run}", "seeds=3,0", f"out={run}/seeds.txt"]) == 0
    assert lines(run / "seeds.txt")[1] == lines(path)[0]


def test_what_is_for_images_is_refused(run, capsys):
    assert sample([f"run={run}", "columns=3"]) == 2
    assert "columns=3: this run's model writes text" in capsys.readouterr().err
    model = gan_lab.load(run)
    assert "seqgan on oracle" in repr(model)
    assert model.sample(3).shape == (3, 5)
    for refused in (lambda: model.latents(2), lambda: model.latents_of([1, 2])):
        with pytest.raises(ConfigError, match="is for images, and this run's model makes text"):
            refused()
