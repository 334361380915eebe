"""Test images are never trained on in silence: how folders name splits, what is said, what is refused."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gan_lab.common.errors import ConfigError, DataError
from gan_lab.data.sets.folder import ImageFolder
from gan_lab.data.sets.splits import role_of
from tests.unit.test_data_folder import image, levels, load, make


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_LAB_CACHE", str(tmp_path / "cache"))


def tree(folder, train, test, stray=()):
    """Levels 1 to 3 below the train folder, 101 and 102 below the test folder, in two classes."""
    contents = {f"{train}/{'ab'[n % 2]}/{n}.png": image(n) for n in (1, 2, 3)}
    contents |= {f"{test}/{'ab'[n % 2]}/{n}.png": image(n) for n in (101, 102)}
    return make(folder, contents | {name: image(50) for name in stray})


def packed(path, names):
    """A zip of images, {name in the archive: level}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, level in names.items():
            archive.writestr(name, image(level))
    return path


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"), ("Train", "Test"), ("TRAIN", "val"), ("training", "Validation"), ("trainA", "testA"),
        ("train_images", "test-images"), ("train2017", "val2017"), ("data/train", "data/test"),
    ],
)  # fmt: skip
def test_folders_are_splits_however_they_are_written(tmp_path, train, test):
    folder = tree(tmp_path / "photos", train, test)
    found, held = load(folder), load(folder, "test")
    assert sorted(levels(found)) == [1, 2, 3]
    assert sorted(levels(held)) == [101, 102]
    assert found.classes == held.classes == ("a", "b")
    told = found.sentences()
    assert told[1] == "2 classes: a (1), b (2)."
    train, test = train.rpartition("/")[2], test.rpartition("/")[2]
    assert (
        told[2]
        == f"Splits by folders: train from '{train}' (3 images), test from '{test}' (2 images)."
    )
    assert load(folder).sentences() == told  # from the cache too


def test_two_archives_are_splits(tmp_path):
    packed(tmp_path / "set" / "train.zip", {"a/1.png": 1, "b/2.png": 2})
    packed(tmp_path / "set" / "test.zip", {"a/101.png": 101})
    assert levels(load(tmp_path / "set")) == [1, 2]
    assert levels(load(tmp_path / "set", "test")) == [101]


def test_archives_with_a_folder_of_their_own_name(tmp_path):
    packed(tmp_path / "set" / "Train.zip", {"train/a/1.png": 1, "train/b/2.png": 2})
    packed(tmp_path / "set" / "Test.zip", {"test/a/101.png": 101, "test/b/102.png": 102})
    found = load(tmp_path / "set")
    assert levels(found) == [1, 2]
    assert found.classes == ("a", "b")


@pytest.mark.parametrize("where", ["zip", "disk"])
def test_backslashes_are_slashes(tmp_path, where):
    """As some packers write them, and as Python unpacks such archives on other systems."""
    names = {"set\\train\\1.png": 1, "set\\train\\2.png": 2, "set\\test\\3.png": 101}
    if where == "zip":
        root = packed(tmp_path / "set.zip", names)
    else:
        root = make(tmp_path / "set", {name: image(level) for name, level in names.items()})
    assert levels(load(root)) == [1, 2]
    assert levels(load(root, "test")) == [101]


def test_stray_images_beside_splits_are_left_out_and_said(tmp_path):
    folder = tree(tmp_path / "photos", "train", "test", stray=["cover.png"])
    found = load(folder)
    assert sorted(levels(found)) == [1, 2, 3]
    assert (
        "1 image lies outside of these folders and was left out (such as 'cover.png')."
        in found.notes
    )
    assert 50 not in levels(load(folder, "test"))


@pytest.mark.parametrize(
    ("names", "choices"),
    [
        (["train/1", "test/2", "extra/3"], ["data.root={root}/train for one folder alone"]),
        (["trainA/1", "trainB/2", "testA/3", "testB/4"], ["data.root={root}/trainA"]),
        (["photos/1", "test/2"], []),
        (["1", "test/2"], []),
        (["data/train/1", "data/test/2", "cover"], []),
        (["cats/train/1", "cats/test/2", "dogs/train/3", "dogs/test/4"], []),
        (["test/1", "test/2"], []),
        (["val/1", "test/2"], []),
        (["train/1", "train/test/2", "val/3"], []),
        (["train_images/1", "test/2"], ["data.root={root}/train_images"]),
    ],
)  # fmt: skip
def test_what_is_not_clear_is_refused_with_the_choices(tmp_path, names, choices):
    folder = make(tmp_path / "photos", {f"{name}.png": image(n) for n, name in enumerate(names)})
    with pytest.raises(DataError) as caught:
        load(folder)
    sentence = str(caught.value)
    assert "\n" not in sentence
    for choice in [*choices, f"data.splits=none for all {len(names)} images", "train/ and test/"]:
        assert choice.format(root=folder) in sentence
    assert len(load(folder, splits="none")) == len(names)


def test_what_is_no_split_stays_a_class(tmp_path):
    names = ["train station/1", "test_tube/2", "vale/3", "contest/4"]
    folder = make(tmp_path / "things", {f"{name}.png": image(1) for name in names})
    assert load(folder).classes == ("contest", "test_tube", "train station", "vale")


def test_a_root_that_is_the_test_folder_is_taken_at_its_word(tmp_path):
    folder = make(tmp_path / "test", {"a/1.png": image(1), "b/2.png": image(2)})
    assert levels(load(folder)) == [1, 2]
    assert levels(load(packed(tmp_path / "test.zip", {"test/a/1.png": 1, "test/b/2.png": 2}))) == [
        1,
        2,
    ]
    (tmp_path / "outer").mkdir()
    folder.rename(tmp_path / "outer" / "test")
    assert levels(load(tmp_path / "outer", "test")) == [1, 2]
    with pytest.raises(DataError, match="holds test images only"):
        load(tmp_path / "outer")


def test_holdout_and_folders_exclude_each_other(tmp_path):
    folder = tree(tmp_path / "photos", "Train", "Val")
    with pytest.raises(ConfigError, match=r"data.holdout=0.1.*train from 'Train'"):
        load(folder, holdout=0.1)
    assert len(load(folder, holdout=0.5, splits="none")) < 5
    with pytest.raises(ConfigError, match=r"data.splits=some: must be one of auto, none"):
        ImageFolder(splits="some")


@pytest.mark.parametrize(
    ("name", "split", "rest"),
    [
        ("train", "train", ""), ("val.ZIP", "test", ""), ("testB", "test", "b"), ("my-TRAIN.zip", "train", "my"),
        ("train_test", None, "train_test"), ("latest", None, "latest"), ("trainval", None, "trainval"),
    ],
)  # fmt: skip
def test_roles(name, split, rest):
    assert (role_of(name).split, role_of(name).rest) == (split, rest)


def test_names_that_leave_their_archive_are_left_out_and_nothing_is_written(tmp_path):
    names = {
        "a/1.png": 1,
        "b/2.png": 2,
        "../evil.png": 3,
        "a/../../evil.png": 4,
        "/abs/evil.png": 5,
    }
    archive = packed(tmp_path / "in" / "set.zip", names | {"..\\evil.png": 6})
    found = load(archive)
    assert sorted(levels(found)) == [1, 2, 5]
    assert any(
        "3 files were left out whose name leads out of its archive" in n for n in found.notes
    )
    assert list(tmp_path.rglob("*evil*")) == []
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["set.zip"]
    assert not Path("/abs").exists()


@pytest.mark.slow
def test_the_command_says_what_is_taken_as_what(tmp_path):
    """In a real run, twice: the second finds the cache."""
    folder = tree(tmp_path / "photos [1] é", "Train", "Test", stray=["cover.png"])
    command = [
        sys.executable, "-m", "gan_lab.train", "debug=tiny", "logger=none", "metrics=none", "samples.num=4",
        "max_rounds=1", "data=image_folder", "data.resolution=16", "data.batch_size=2", f"data.root={folder}",
    ]  # fmt: skip
    for number in range(2):
        run = tmp_path / f"run{number}"
        done = subprocess.run(
            [*command, f"hydra.run.dir={run}"], capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr[-2000:]
        log = (run / "train.log").read_text()
        for text in (done.stderr, log):
            assert "image_folder (train): 3 images" in text
            assert "2 classes: a (1), b (2)." in text
            assert "train from 'Train' (3 images), test from 'Test' (2 images)" in text
            assert "'cover.png'" in text
