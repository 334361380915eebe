"""The cache of images on a bad disk: any damage is found when it is opened, said, and mended."""

from __future__ import annotations

import json
import logging
import random
import shutil

import pytest
import torch

from gan_lab.data.cache import sums
from gan_lab.data.cache.sums import ArraySum, sum_of
from gan_lab.data.sets.mnist import Mnist
from tests.unit.test_data_folder import image, load, make
from tests.unit.test_data_sets import digits


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_LAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


@pytest.fixture
def photos(tmp_path):
    contents = {f"{'ab'[n % 2]}/{n:02}.png": image(n, (16, 16)) for n in range(20)}
    return make(tmp_path / "photos", contents)


def the_set(cache):
    (folder,) = [path for path in cache.iterdir() if path.is_dir()]
    return folder


def same(found, expected):
    return torch.equal(found.images, expected.images) and torch.equal(found.labels, expected.labels)


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "meta.json"])
@pytest.mark.parametrize("damage", ["bit", "page", "cut", "longer", "gone"])
def test_damage_is_found_said_and_mended(photos, cache, name, damage, caplog):
    caplog.set_level(logging.INFO)
    expected = load(photos)
    before = expected.images.clone(), expected.labels.clone()
    path = the_set(cache) / name
    data = bytearray(path.read_bytes())
    middle = len(data) * 3 // 4
    if damage == "bit":
        data[middle] ^= 0x08
    elif damage == "page":
        data[middle - 40 : middle] = bytes(b ^ 0xFF for b in data[middle - 40 : middle])
    elif damage == "cut":
        del data[-7:]
    elif damage == "longer":
        data += b"\1"
    path.unlink()  # not in place: the first set still has it mapped
    if damage != "gone":
        path.write_bytes(data)
    found = load(photos)
    assert torch.equal(found.images, before[0])
    assert torch.equal(found.labels, before[1])
    assert found.fingerprint == expected.fingerprint
    said = [r.getMessage() for r in caplog.records if "cannot be used" in r.getMessage()]
    assert len(said) == 1
    assert "made again" in said[0]
    caplog.clear()
    load(photos)
    assert caplog.records == []


def test_any_flipped_bit_of_a_small_set_is_found_or_harmless(photos, cache):
    expected = load(photos)
    kept = cache.parent / "kept"
    shutil.copytree(the_set(cache), kept)
    drawn = random.Random(0)
    for _ in range(60):
        name = drawn.choice(["images.npy", "labels.npy", "meta.json"])
        path = the_set(cache) / name
        data = bytearray(path.read_bytes())
        data[drawn.randrange(len(data))] ^= 1 << drawn.randrange(8)
        path.unlink()
        path.write_bytes(data)
        assert same(load(photos), expected)
        folder = the_set(cache)
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)


def test_digits_are_guarded_too(tmp_path, cache):
    digits(tmp_path / "data" / "MNIST" / "raw")
    expected = Mnist(root=str(tmp_path / "data")).load("train").images.clone()
    path = the_set(cache) / "images.npy"
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.unlink()
    path.write_bytes(data)
    assert torch.equal(Mnist(root=str(tmp_path / "data")).load("train").images, expected)


def test_a_set_of_an_older_make_is_made_again(photos, cache, caplog):
    caplog.set_level(logging.INFO)
    load(photos)
    path = the_set(cache) / "meta.json"
    path.write_text(json.dumps({"fingerprint": "x", "notes": [], "labelled": True}))
    assert load(photos).fingerprint != "x"
    assert "written without checksums" in caplog.text


def test_the_sum_does_not_depend_on_the_pieces(monkeypatch, tmp_path):
    monkeypatch.setattr(sums, "CHUNK", 100)
    data = random.Random(0).randbytes(1050)
    pieces = ArraySum()
    for start in range(0, 1050, 33):
        pieces.update(memoryview(data)[start : start + 33])
    path = tmp_path / "file"
    path.write_bytes(b"header" + data)
    with path.open("rb", buffering=0) as file:
        assert sum_of(file, offset=6) == pieces.ended(b"header")
    assert pieces.ended(b"other") != pieces.ended(b"header")
    path.write_bytes(b"header" + data[:731] + bytes([data[731] ^ 1]) + data[732:])
    with path.open("rb", buffering=0) as file:
        assert sum_of(file, offset=6) != pieces.ended(b"header")
