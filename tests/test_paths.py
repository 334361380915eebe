"""Paths that people give: `~` is their home, and no character in a name matters, in any option of any command."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gan_lab import compare, evaluate, sample
from gan_lab.storage.run_folder import RunFolder
from gan_lab.train import main, train

TINY = ["debug=tiny", "logger=none", "samples.num=4", "max_rounds=1", "metrics=none"]
ODD = "a = (b), [c] {d} é ü ' #1"


@pytest.fixture
def home(monkeypatch, tmp_path):
    """An empty home folder, and another folder to work in."""
    folder = tmp_path / "home"
    folder.mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(tmp_path / "work")
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run to sample from."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert main([*TINY, f"hydra.run.dir={folder}"]) == 0
    return folder


def images(folder: Path) -> None:
    from PIL import Image

    folder.mkdir(parents=True)
    for index in range(9):
        Image.new("RGB", (16, 16), (index, 90, 9)).save(folder / f"{index}.png")


def test_home_is_expanded_in_every_option_and_no_folder_of_that_name_is_made(home):
    images(home / "photos")
    data = ["data=image_folder", "data.resolution=16", "data.root=~/photos"]
    assert main([*TINY, *data, "hydra.run.dir=~/run"]) == 0
    assert main(["resume=~/run", "max_rounds=2"]) == 0
    assert sample.main(["run=~/run", "num=1", "out=~/one.png"]) == 0
    assert (
        sample.main(["run=~/run", "checkpoint=~/run/checkpoints/last.ckpt", "num=1", "out=~/more"])
        == 0
    )
    small = [
        "metrics.num_samples=4",
        "metrics.num_reals=4",
        "data.root=~/photos",
        "out=~/score.json",
    ]
    assert evaluate.main(["run=~/run", *small]) == 0
    assert compare.main(["~/run", "out=~/curves.png"]) == 0
    made = {path.name for path in home.iterdir()}
    assert {"run", "one.png", "more", "score.json", "curves.png"} <= made
    assert not [path for path in Path().rglob("*") if "~" in path.name]


def test_a_multirun_takes_any_path(home):
    """Blanks, brackets, equals signs and letters of other alphabets, in a job's option and in the sweep's folder."""
    images(home / ODD)
    line = [*TINY, "data=image_folder", "data.resolution=16", f"data.root={home / ODD}"]
    assert main(["-m", *line, "seed=1,2", f"hydra.sweep.dir=~/{ODD} sweep"]) == 0
    for job in ("0", "1"):
        stored = yaml.safe_load(RunFolder(home / f"{ODD} sweep" / job).config.read_text())
        assert stored["data"]["root"] == str(home / ODD)
    assert not [path for path in Path().rglob("*") if "~" in path.name]


def test_a_comma_still_separates_the_jobs_of_a_multirun(home):
    images(home / "a b")
    images(home / "c=d")
    line = [*TINY, "data=image_folder", "data.resolution=16", "data.root=~/a b,~/c=d"]
    assert main(["-m", *line, "hydra.sweep.dir=~/sweep"]) == 0
    roots = [
        yaml.safe_load(RunFolder(home / "sweep" / job).config.read_text())["data"]["root"]
        for job in "01"
    ]
    assert [Path(root).name for root in roots] == ["a b", "c=d"]


def test_a_folder_that_a_file_of_conf_sets_is_expanded_too(home):
    own = home / "conf" / "experiment"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text(
        "# @package _global_\nhydra: {run: {dir: '~/there'}, sweep: {dir: '~/swept'}}\n"
    )
    line = [*TINY, "experiment=mine", f"--config-dir={home}/conf"]
    assert main(line) == 0
    assert main(["-m", *line]) == 0
    assert RunFolder(home / "there").last.is_file()
    assert RunFolder(home / "swept" / "0").last.is_file()
    assert not [path for path in Path().rglob("*") if "~" in path.name]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("hydra.run.dir=", "hydra.run.dir=: the path is empty"),
        ("hydra.run.dir=''", "hydra.run.dir=: the path is empty"),
        ("hydra.run.dir=~nobody_of_this_name/run", "there is no home folder ~nobody_of_this_name"),
        ("-m hydra.sweep.dir=", "hydra.sweep.dir=: the path is empty"),
        ("resume=~nobody_of_this_name", "there is no home folder ~nobody_of_this_name"),
        ("data=image_folder data.root=", "data.root=: the path is empty"),
    ],
)
def test_a_path_that_is_none(line, said, home, capsys):
    assert main([*TINY, *line.split()]) == 2
    assert said in capsys.readouterr().err.strip().splitlines()[-1]
    assert not [path for path in Path().rglob("*") if "~" in path.name]


@pytest.mark.parametrize("key", ["run", "out"])
def test_a_path_that_is_none_after_training(key, home, finished, capsys):
    given = {"run": str(finished), key: ""}
    assert sample.main([f"{k}={v}" for k, v in given.items()]) == 2
    assert f"{key}=: the path is empty" in capsys.readouterr().err


@pytest.mark.parametrize("command", [main, sample.main, evaluate.main, compare.main])
def test_a_name_that_is_not_utf_8(command, home, capsys):
    """What a shell hands over for the bytes 'run\\xff'."""
    key = {main: "resume=", compare.main: ""}.get(command, "run=")
    assert command([f"{key}run\udcff"]) == 2
    said = capsys.readouterr().err
    assert "not UTF-8" in said
    assert len(said.splitlines()) == 1


def test_from_python(home):
    from gan_lab import load
    from gan_lab.train import compose

    train(compose(TINY), "~/run")
    assert load("~/run").iteration == 1
    assert main(["hydra.run.dir=./~", *TINY]) == 0, (
        "a folder of that name is one where it is asked for"
    )
    assert load("./~").iteration == 1
