"""Pairs of two folders: found by their names, kept together, and refused in words where they are not clear."""

from __future__ import annotations

import itertools
import shutil
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from gan_lab.common.errors import DataError
from gan_lab.data.sets.pairs import Pairs
from gan_lab.data.sets.partners import Place, look_like_pairs, places_of
from gan_lab.data.stream.together import batches_of
from gan_lab.train import main
from tests.test_translation_runs import flat

CPU = torch.device("cpu")
LAYOUTS = {
    "cyclegan's": ("trainA", "trainB", "testA", "testB"),
    "pix2pixHD's": ("train_img", "train_label", "test_img", "test_label"),
    "folders of a split": ("train/A", "train/B", "test/A", "test/B"),
    "splits of a folder": ("A/train", "B/train", "A/val", "B/val"),
}


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    """A cache of its own."""
    monkeypatch.setenv("GAN_LAB_CACHE", str(tmp_path / "cache"))


def save(folder, names, level):
    """Pictures whose top left pixel tells their number, and their right half the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        pixels = np.full((16, 24, 3), level, np.uint8)
        pixels[:, :12] = 10 * int(name.partition(".")[0])
        Image.fromarray(pixels).save(folder / name)


def folders(root, layout, *, count=5):
    for place, folder in enumerate(LAYOUTS[layout]):
        many = count if "rain" in folder else 2
        suffix = "png" if place % 2 else "webp"
        save(
            root / folder, [f"{number}.{suffix}" for number in range(many)], 100 + 50 * (place % 2)
        )
    return root


def rows(images):
    """Numbers and folders (N, 2) of both columns, as the pictures tell them."""
    both = (images.images, images.beside["partner"].values)
    return [
        (one[:, 0, 0, 0].float().div(10).round().tolist(), one[:, 0, 0, -1].tolist())
        for one in both
    ]


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_every_layout_is_read_with_its_splits(layout, tmp_path):
    root = folders(tmp_path / "data", layout)
    learned = "img" if layout == "pix2pixHD's" else "A"
    (numbers, level), (others, other) = rows(
        Pairs(root=str(root), images=learned, resolution=16).load("train")
    )
    assert numbers == others == [0, 1, 2, 3, 4]
    assert set(level) != set(other)
    assert len(Pairs(root=str(root), images=learned, resolution=16).load("test")) == 2
    exchanged = {"A": "b", "img": "Label"}[learned]
    assert rows(Pairs(root=str(root), images=exchanged, resolution=16).load("train")) == [
        (others, other),
        (numbers, level),
    ]


def test_places_are_told_from_folders_and_archives_alike():
    assert places_of(
        ["x/trainA.zip/trainA/city/1.jpg", "x/trainB/city/1.png", "x/test_B/2.a.png"]
    ) == [
        Place("train", "a", "city/1"),
        Place("train", "b", "city/1"),
        Place("test", "b", "2.a"),
    ]
    assert places_of(["test/A/1.png", "test/B/1.png"])[1] == Place("test", "b", "1")
    assert places_of(["train/1.png", "train/2.png"])[0].kind == ""
    assert not look_like_pairs(places_of(["train/a/1.png", "train/b/2.png"]))


def test_both_are_mirrored_cut_and_resumed_together(tmp_path):
    """Both folders hold the same pictures, so whatever is done to one must be done to the other."""
    for folder in ("trainA", "trainB"):
        draw = np.random.default_rng(0)
        (tmp_path / folder).mkdir()
        for number in range(6):
            pixels = draw.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{number}.png")
    images = Pairs(root=str(tmp_path), images="A", resolution=16).load("train")
    settings = {"batch_size": 4, "seed": 0, "flip": True, "device": CPU, "jitter": 1.25}
    stream = list(itertools.islice(batches_of(images, **settings), 6))
    assert all(torch.equal(batch["images"], batch["partner"]) for batch in stream)
    assert len({batch["images"].sum().item() for batch in stream}) == 6
    later = next(iter(batches_of(images, start=8, **settings)))
    assert torch.equal(later["images"], stream[2]["images"])
    before = images.fingerprint
    other = tmp_path / "trainB" / "3.png"
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(other)
    assert Pairs(root=str(tmp_path), images="A", resolution=16).load("train").fingerprint != before


def test_what_has_no_partner_is_named_or_left_out(tmp_path):
    root = folders(tmp_path / "data", "cyclegan's")
    for number in (1, 3):
        (root / "trainB" / f"{number}.png").unlink()
    with pytest.raises(
        DataError, match=r"2 of 5 files of 'a' \(train\) have no partner in 'b': '1', '3'; add"
    ):
        Pairs(root=str(root), images="A", resolution=16).load("train")
    (root / "trainA" / "4.webp").write_bytes(b"")
    images = Pairs(root=str(root), images="A", resolution=16, on_error="skip").load("train")
    (numbers, _), (others, _) = rows(images)
    assert numbers == others == [0, 2]
    told = " ".join(images.notes)
    assert "have no partner in 'b': '1', '3'; left out." in told
    assert "1 pairs were left out" in told


REFUSED = {
    "left": r"two folders of the same names, a and b; say which one is learned, data.images=a or data.images=b",
    "photo": r"data.images=photo names no folder of .* kinds of files there: a, b",
}


@pytest.mark.parametrize("learned", list(REFUSED))
def test_what_is_not_clear_is_refused(learned, tmp_path):
    root = folders(tmp_path / "data", "cyclegan's")
    with pytest.raises(DataError, match=REFUSED[learned]):
        Pairs(root=str(root), images=learned).load("train")


def test_three_folders_need_two_names(tmp_path):
    root = folders(tmp_path / "data", "pix2pixHD's")
    save(root / "train_inst", [f"{number}.png" for number in range(5)], 30)
    with pytest.raises(
        DataError,
        match=r"are the partners of 'img' is not clear \(other kinds there: inst, label\)",
    ):
        Pairs(root=str(root), images="img").load("train")
    _, (_, level) = rows(
        Pairs(root=str(root), images="img", partner="label", resolution=16).load("train")
    )
    assert set(level) == {150}
    shutil.copy(root / "train_img" / "1.webp", root / "train_img" / "1.jpg")
    with pytest.raises(DataError, match=r"2 files of 'img' \(train\) have the name '1'"):
        Pairs(root=str(root), images="img", partner="label").load("train")
    save(tmp_path / "halves" / "train", ["1.png"], 9)
    with pytest.raises(DataError, match=r"data.partner=label names a folder"):
        Pairs(root=str(tmp_path / "halves"), partner="label").load("train")


def test_a_run_goes_on_from_an_archive_as_if_it_had_not_stopped(tmp_path):
    root = folders(tmp_path / "data", "cyclegan's", count=8)
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for path in sorted(root.rglob("*.*")):
            archive.write(path, path.relative_to(root))
    line = [
        "model=pix2pix", "debug=tiny", "logger=none", "strategy=cpu", "data.resolution=16", "data.images=B",
        "discriminator.layers=1", "metrics=none", "samples.num=6", f"data.root={tmp_path / 'data.zip'}",
    ]  # fmt: skip
    half, whole = tmp_path / "half", tmp_path / "whole"
    assert main([*line, "max_rounds=2", f"hydra.run.dir={half}"]) == 0
    assert main([f"resume={half}", "max_rounds=4"]) == 0
    assert main([*line, "max_rounds=4", f"hydra.run.dir={whole}"]) == 0
    one, other = flat(half), flat(whole)
    assert all(torch.equal(one[name], other[name]) for name in other)


@pytest.mark.parametrize("halves", [True, False])
def test_a_split_that_is_missing_is_told_with_what_to_do(tmp_path, halves):
    for folder in ("train",) if halves else ("train/A", "train/B"):
        (tmp_path / folder).mkdir(parents=True)
        Image.new("RGB", (32, 16)).save(tmp_path / folder / "0.png")
    where = {} if halves else {"images": "A"}
    with pytest.raises(DataError, match="there is no test split in") as caught:
        Pairs(root=str(tmp_path), resolution=16, **where).load("test")
    assert "move a share of the pairs into test/ beside train/, or set metrics.split=train" in str(
        caught.value
    )
