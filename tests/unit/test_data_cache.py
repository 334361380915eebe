"""The cache: built once, rebuilt when the source changes, whole or absent, safe for two at once."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gan_lab.common.errors import DataError
from gan_lab.data.cache import files
from gan_lab.data.cache import store as cache
from gan_lab.data.cache.writer import ImageWriter
from gan_lab.data.sets.folder import ImageFolder


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("GAN_LAB_CACHE", str(folder))
    return folder / "images"


@pytest.fixture
def photos(tmp_path):
    """Twelve flat images of known grey, with old times, so that any touch is seen."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for level in range(12):
        path = folder / f"{level:02}.png"
        Image.new("RGB", (16, 16), (level, level, level)).save(path)
        os.utime(path, (1e9, 1e9))
    return folder


@pytest.fixture
def builds(monkeypatch):
    """How often images were decoded."""
    counts = []
    decode_all = files._decode_all

    def counted(*args, **options):
        counts.append(1)
        return decode_all(*args, **options)

    monkeypatch.setattr(files, "_decode_all", counted)
    return counts


def load(folder, **options):
    return ImageFolder(root=str(folder), resolution=16, **options).load("train")


def levels(images):
    return images.images[:, 0, 0, 0].tolist()


def finished(folder):
    return [p for p in folder.iterdir() if p.is_dir() and ".tmp-" not in p.name]


def test_decoding_happens_once(photos, builds):
    first, second = load(photos), load(photos)
    assert len(builds) == 1
    assert levels(first) == list(range(12))
    assert torch.equal(first.images, second.images)
    assert first.fingerprint == second.fingerprint


def test_an_added_image_rebuilds(photos, builds):
    before = load(photos)
    Image.new("RGB", (16, 16), (99, 99, 99)).save(photos / "zz.png")
    after = load(photos)
    assert len(builds) == 2
    assert levels(after) == [*range(12), 99]
    assert after.fingerprint != before.fingerprint


def test_a_removed_image_rebuilds(photos, builds):
    load(photos)
    (photos / "03.png").unlink()
    assert levels(load(photos)) == [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11]
    assert len(builds) == 2


def test_a_replaced_image_rebuilds(photos, builds):
    load(photos)
    Image.new("RGB", (16, 16), (77, 77, 77)).save(photos / "05.png")
    assert levels(load(photos))[5] == 77
    assert len(builds) == 2


def test_a_touched_image_rebuilds_with_the_same_fingerprint(photos, builds):
    before = load(photos)
    os.utime(photos / "05.png", (2e9, 2e9))
    after = load(photos)
    assert len(builds) == 2
    assert after.fingerprint == before.fingerprint  # the pixels are the same


def test_preprocessing_is_part_of_the_key(photos, builds):
    load(photos)
    load(photos, channels=1)
    ImageFolder(root=str(photos), resolution=8).load("train")
    assert len(builds) == 3


def test_the_data_root_is_not_written_to(photos):
    before = sorted((p.name, p.stat().st_mtime_ns) for p in photos.iterdir())
    photos.chmod(0o555)
    try:
        load(photos)
    finally:
        photos.chmod(0o755)
    assert sorted((p.name, p.stat().st_mtime_ns) for p in photos.iterdir()) == before


def test_a_damaged_cache_is_built_again(photos, builds, own_cache):
    load(photos)
    (folder,) = finished(own_cache)
    os.truncate(folder / "images.npy", 200)
    assert levels(load(photos)) == list(range(12))
    assert len(builds) == 2


def test_a_cache_without_its_last_file_is_built_again(photos, builds, own_cache):
    load(photos)
    (folder,) = finished(own_cache)
    (folder / "meta.json").unlink()
    assert levels(load(photos)) == list(range(12))
    assert len(builds) == 2


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc to look into")
def test_sets_are_mapped_whatever_their_size(tmp_path, own_cache):
    for kind in ("cat", "dog"):
        (tmp_path / "pets" / kind).mkdir(parents=True)
        Image.new("RGB", (16, 16)).save(tmp_path / "pets" / kind / "1.png")
    images = load(tmp_path / "pets")
    maps = Path("/proc/self/maps").read_text()
    (folder,) = finished(own_cache)
    assert str(folder / "images.npy") in maps
    assert str(folder / "labels.npy") in maps
    assert images.labels.tolist() == [0, 1]


def test_a_failed_build_leaves_nothing(photos, own_cache):
    (photos / "zz.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"zz.png"):
        load(photos)
    assert [p for p in own_cache.iterdir() if p.is_dir()] == []


def test_a_full_disk_is_one_sentence(photos, own_cache, monkeypatch):
    def full(self, images):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ImageWriter, "write", full)
    with pytest.raises(DataError, match=r"No space left on device.*GAN_LAB_CACHE") as caught:
        load(photos)
    assert str(own_cache) in str(caught.value)
    assert [p for p in own_cache.iterdir() if p.is_dir()] == []


def test_too_little_room_is_said_before_decoding(photos, builds, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError, match=r"are needed.*GAN_LAB_CACHE"):
        load(photos)
    assert builds == []


def test_a_cache_folder_that_cannot_be_made(photos, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GAN_LAB_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(DataError, match="GAN_LAB_CACHE"):
        load(photos)


def test_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("GAN_LAB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if sys.platform.startswith("linux"):
        assert cache.cache_root() == tmp_path / "xdg" / "gan_lab"
    monkeypatch.setenv("GAN_LAB_CACHE", "~/here")
    assert cache.cache_root().name == "here"
    assert "~" not in str(cache.cache_root())


def test_the_writer_takes_fewer_images_than_announced(tmp_path):
    images = np.arange(5 * 3 * 8 * 8, dtype=np.uint8).reshape(5, 3, 8, 8)
    with ImageWriter(tmp_path / "a.npy", (1_000_000, 3, 8, 8)) as writer:
        writer.write(images[:2])
        writer.write(images[2:])
    assert np.array_equal(np.load(tmp_path / "a.npy"), images)


@pytest.mark.parametrize("with_locks", [True, False])
def test_two_builders_at_once(photos, own_cache, builds, monkeypatch, with_locks):
    """Without locks (some network file systems) both build; either way both get the whole set."""
    if not with_locks:

        @contextmanager
        def unlocked(path):
            yield False

        monkeypatch.setattr(cache, "locked", unlocked)
        both_built = threading.Barrier(2)
        publish = cache._publish

        def together(work, folder):
            both_built.wait(timeout=30)
            publish(work, folder)

        monkeypatch.setattr(cache, "_publish", together)
    found = []
    threads = [threading.Thread(target=lambda: found.append(load(photos))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [levels(images) for images in found] == [list(range(12))] * 2
    assert len(builds) == (1 if with_locks else 2)
    assert [p.name for p in own_cache.iterdir() if p.is_dir()] == [finished(own_cache)[0].name]


SCRIPT = """
import sys, time
from gan_lab.data.cache import files
from gan_lab.data.sets.folder import ImageFolder
decode = files.decode
def slow(data, channels, **options):
    print("decoding", flush=True)
    time.sleep(float(sys.argv[2]))
    return decode(data, channels, **options)
files.decode = slow
images = ImageFolder(root=sys.argv[1], resolution=16).load("train")
print("levels", images.images[:, 0, 0, 0].tolist(), flush=True)
"""


def start(photos, seconds):
    command = [sys.executable, "-c", SCRIPT, str(photos), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def test_two_processes_at_once(photos, own_cache):
    runs = [start(photos, 0.02) for _ in range(2)]
    outputs = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert all(f"levels {list(range(12))}" in output for output in outputs)
    assert sum(output.count("decoding") for output in outputs) == 12
    assert len(finished(own_cache)) == 1


def test_a_killed_builder_leaves_no_wrong_cache(photos, own_cache, builds):
    run = start(photos, 5)
    assert run.stdout.readline() == "decoding\n"
    deadline = time.monotonic() + 30
    while not list(own_cache.glob("*.tmp-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    assert finished(own_cache) == []
    assert len(list(own_cache.glob("*.tmp-*"))) == 1
    assert levels(load(photos)) == list(range(12))
    assert len(builds) == 1
    assert list(own_cache.glob("*.tmp-*")) == []
