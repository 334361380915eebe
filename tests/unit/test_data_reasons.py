"""Reasons are true: what is said of a file is what is the matter with it, and what passes is not kept for ever."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from gan_lab.common.errors import ConfigError, DataError
from gan_lab.data.decoding.bad import BadImageError
from gan_lab.data.decoding.decode import decode
from gan_lab.data.sets.celeba import Celeba
from gan_lab.data.sets.folder import ImageFolder
from tests.unit.test_data_decode import png
from tests.unit.test_data_folder import image, levels, load, make

NOBODY = 65534


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("GAN_LAB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def photos(tmp_path):
    return make(tmp_path / "photos", {f"{n}.png": image(n) for n in range(1, 5)})


@contextmanager
def nobody(tmp_path):
    """Work as a user who may not read everything; root may."""
    if os.geteuid() != 0:
        yield
        return
    paths = [tmp_path, *tmp_path.rglob("*")]
    for path in paths:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    for parent in tmp_path.parents:  # pytest keeps its folders for the user who started it
        if not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def claim(kind, width, height):
    """A small file that says it is a large image."""
    stream = io.BytesIO()
    Image.new("RGB", (16, 16), (9, 9, 9)).save(stream, kind)
    data = bytearray(stream.getvalue())
    if kind == "JPEG":
        at = data.index(b"\xff\xc0")
        data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    else:
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


# --- size


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_too_many_pixels_are_said_as_such_and_before_memory_is_asked_for(photos, kind):
    (photos / "9.png").write_bytes(claim(kind, 60_000, 60_000))
    with pytest.raises(
        DataError, match=r"9.png' has 60,000 x 60,000 pixels, more than data.max_pixels=200000000"
    ):
        load(photos)
    found = load(photos, on_error="skip")
    assert levels(found) == [1, 2, 3, 4]
    assert "60,000 x 60,000 pixels" in found.notes[-1]


def test_the_limit_is_an_option(photos):
    make(photos, {"9.png": image(9, (40, 30)), "a.webp": image(10, (50, 50), "WEBP")})
    assert levels(load(photos, max_pixels=2500)) == [1, 2, 3, 4, 9, 10]
    with pytest.raises(
        DataError, match=r"a.webp' has 50 x 50 pixels, more than data.max_pixels=2499"
    ):
        load(photos, max_pixels=2499)
    assert levels(load(photos, max_pixels=1199, on_error="skip")) == [1, 2, 3, 4]
    assert levels(load(photos, max_pixels=1200, on_error="skip")) == [1, 2, 3, 4, 9]
    for source in (ImageFolder, Celeba):
        with pytest.raises(ConfigError, match=r"data.max_pixels=0"):
            source(max_pixels=0)


def test_pillows_own_limit_does_not_stand_in_the_way(photos, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert levels(load(photos)) == [1, 2, 3, 4]
    assert Image.MAX_IMAGE_PIXELS == 100


@pytest.mark.parametrize("wide", [False, True])
def test_texts_that_are_too_long_cost_no_image(wide):
    """Pillow takes a megabyte of text from a PNG; a screenshot's history may be longer."""
    if wide:
        text = b"comment\0\0" + zlib.compress(b"x" * 100_000_000)
        chunk = struct.pack(">I", len(text)) + b"zTXt" + text
        data = png(
            np.full((4, 4, 3), 257 * 9), 2, extra=chunk + struct.pack(">I", zlib.crc32(chunk[4:]))
        )
    else:
        info = PngImagePlugin.PngInfo()
        info.add_text("comment", "x" * 3_000_000, zip=True)
        stream = io.BytesIO()
        Image.new("RGB", (4, 4), (9, 9, 9)).save(stream, "PNG", pnginfo=info)
        data = stream.getvalue()
    assert decode(data, 3).eq(9).all()


def test_what_starts_other_programs_is_not_opened():
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "EPS")
    with pytest.raises(BadImageError, match="is not an image of a kind that is read here"):
        decode(stream.getvalue(), 3)


def test_jfif_is_jpeg(photos):
    make(photos, {"9.jfif": image(9, kind="JPEG"), "a.JFIF": image(10, kind="JPEG")})
    assert levels(load(photos)) == [1, 2, 3, 4, 9, 10]


# --- archives


def test_an_encrypted_archive_is_called_encrypted(tmp_path, photos):
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(photos.iterdir()):
            packed.write(path, path.name)
    data = bytearray(archive.read_bytes())
    for kind, at in (
        (b"PK\3\4", 6),
        (b"PK\1\2", 8),
    ):  # the flag of the first member, in both places
        data[data.index(kind) + at] |= 1
    archive.write_bytes(data)
    with pytest.raises(
        DataError, match=r"1.png' is encrypted; unpack its archive with the password"
    ) as caught:
        load(archive)
    assert "damaged" not in str(caught.value)
    assert levels(load(archive, on_error="skip")) == [2, 3, 4]


def test_an_unknown_packing_is_called_so(tmp_path):
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("1.png", image(1))
    data = bytearray(archive.read_bytes())
    for kind, at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        data[data.index(kind) + at] = 9  # deflate64
    archive.write_bytes(data)
    with pytest.raises(
        DataError, match=r"1.png' is packed in a way that is not read here \(method 9\)"
    ):
        load(archive)


# --- what cannot be read


def test_a_folder_that_may_not_be_read(tmp_path, photos):
    make(photos, {"locked/9.png": image(9)})
    (photos / "locked").chmod(0)
    with nobody(tmp_path):
        with pytest.raises(
            DataError, match=r"locked' cannot be read \(Permission denied\).*on_error=skip"
        ):
            load(photos)
        found = load(photos, on_error="skip")
        assert levels(found) == [1, 2, 3, 4]
        assert "Left out, with all that lies there: " in found.notes[-1]
        (photos / "locked").chmod(0o755)
        assert levels(load(photos, on_error="skip")) == [1, 2, 3, 4, 9]


@pytest.mark.parametrize("what", ["file", "archive"])
def test_what_can_be_read_again_comes_back(tmp_path, photos, what):
    """The cache does not keep for ever what failed for a reason that passed."""
    if what == "archive":
        with zipfile.ZipFile(photos / "more.zip", "w") as packed:
            packed.writestr("9.png", image(9))
    else:
        make(photos, {"more.png": image(9)})
    path = photos / ("more.zip" if what == "archive" else "more.png")
    path.chmod(0)
    with nobody(tmp_path):
        for _ in range(2):
            found = load(photos, on_error="skip")
            assert levels(found) == [1, 2, 3, 4]
            assert "cannot be read (Permission denied)" in found.notes[-1]
        path.chmod(0o644)  # which changes neither its size nor its time
        assert levels(load(photos, on_error="skip")) == [1, 2, 3, 4, 9]
        assert not any("denied" in note for note in load(photos, on_error="skip").notes)


def test_while_a_file_stays_unreadable_nothing_is_decoded_again(tmp_path, photos, monkeypatch):
    from gan_lab.data.cache import files

    make(photos, {"9.png": image(9)})
    (photos / "9.png").chmod(0)
    with nobody(tmp_path):
        load(photos, on_error="skip")
        monkeypatch.setattr(files, "_decode_all", lambda *_, **__: pytest.fail("decoded again"))
        assert levels(load(photos, on_error="skip")) == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["loop", "loop.png", "loop.zip"])
def test_links_that_lead_to_themselves(photos, name):
    (photos / name).symlink_to(name)
    if name != "loop":
        with pytest.raises(
            DataError, match=rf"{name}' cannot be read \(Too many levels of symbolic links\)"
        ):
            load(photos)
    assert levels(load(photos, on_error="skip")) == [1, 2, 3, 4]


def test_a_damaged_archive_beside_images_is_left_out_where_asked(photos):
    (photos / "old.zip").write_bytes(b"PK\3\4 cut off")
    with pytest.raises(
        DataError, match=r"old.zip' is no zip archive, or a damaged one.*on_error=skip"
    ):
        load(photos)
    assert levels(load(photos, on_error="skip")) == [1, 2, 3, 4]


@pytest.mark.timeout(60)
def test_a_pipe_is_no_image(photos):
    os.mkfifo(photos / "pipe.png")
    found = load(photos)
    assert levels(found) == [1, 2, 3, 4]
    assert found.notes[-1] == "1 other file was left out (no plain file)."


# --- what belongs to the system


SYSTEM = [
    "@eaDir",
    "#recycle",
    "lost+found",
    "$RECYCLE.BIN",
    "__MACOSX",
    "System Volume Information",
]


@pytest.mark.parametrize("name", SYSTEM)
def test_folders_of_the_system_are_no_data(photos, name):
    make(
        photos,
        {f"{name}/9.png": image(9), f"deep/{name}/a/9.png": image(9), "deep/5.png": image(5)},
    )
    found = load(photos)
    assert levels(found) == [1, 2, 3, 4, 5]
    assert found.notes[-1] == f"Folders that belong to the system were left out ({name})."


@pytest.mark.parametrize("slash", ["/", "\\"])
@pytest.mark.parametrize("name", ["__MACOSX", "@eaDir", "$RECYCLE.BIN"])
def test_folders_of_the_system_in_archives(tmp_path, slash, name):
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as packed:
        packed.writestr("1.png", image(1))
        packed.writestr(slash.join([name, "2.png"]), image(2))
    assert levels(load(tmp_path / "p.zip")) == [1]


# --- the command


@pytest.mark.slow
def test_the_command_goes_on_without_what_cannot_be_read(photos, tmp_path):
    """A link loop, a folder of a file server and a picture above the limit, in one real run."""
    (photos / "loop.png").symlink_to("loop.png")
    make(photos, {"@eaDir/1.png": image(99), "z.png": claim("PNG", 40_000, 40_000)})
    command = [
        sys.executable, "-m", "gan_lab.train", "debug=tiny", "logger=none", "metrics=none", "samples.num=4",
        "max_rounds=1", "data=image_folder", "data.resolution=16", "data.batch_size=4", f"data.root={photos}",
        f"hydra.run.dir={tmp_path}/run",
    ]  # fmt: skip
    stopped = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert stopped.returncode == 1
    assert "loop.png' cannot be read" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    gone_on = subprocess.run(
        [*command, "data.on_error=skip", f"hydra.run.dir={tmp_path}/again"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert gone_on.returncode == 0, gone_on.stderr[-2000:]
    assert "image_folder (train): 4 images" in gone_on.stderr
    assert "40,000 x 40,000 pixels, more than data.max_pixels=200000000" in gone_on.stderr
    assert "@eaDir" in (tmp_path / "again" / "train.log").read_text()
