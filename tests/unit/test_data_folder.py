"""Any tree of images: what is found, how it is labelled and split, what bad files do."""

from __future__ import annotations

import io
import os
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from gan_lab.common.errors import ConfigError, DataError
from gan_lab.data.sets.folder import ImageFolder
from gan_lab.data.stream.sampler import check_enough, fitting_batch


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_LAB_CACHE", str(tmp_path / "cache"))


def image(level, size=(16, 16), kind="PNG", mode="RGB"):
    stream = io.BytesIO()
    Image.new(mode, size, level if mode == "L" else (level,) * 3).save(stream, kind)
    return stream.getvalue()


def make(folder, contents):
    """Write files, {path below the folder: bytes}."""
    for name, data in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


@pytest.fixture
def animals(tmp_path):
    folder = tmp_path / "animals"
    return make(
        folder,
        {
            "cat/1.png": image(1),
            "cat/2.JPG": image(2, kind="JPEG"),
            "dog/deep/3.webp": image(3, kind="WEBP"),
            "dog/4.jpeg": image(4, kind="JPEG"),
            "bird/5.png": image(5, mode="L"),
        },
    )


def load(root, split="train", **options):
    return ImageFolder(root=str(root), resolution=16, **options).load(split)


def levels(images):
    return images.images[:, 0, 0, 0].tolist()


def zipped(folder, path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    return path


def test_labels_are_the_sub_folders(animals):
    images = load(animals)
    assert images.classes == ("bird", "cat", "dog")
    assert levels(images) == [5, 1, 2, 4, 3]
    assert images.labels.tolist() == [0, 1, 1, 2, 2]
    assert images.labels.dtype == torch.int64
    assert images.notes == ("All 5 images are for training.",)
    assert images.sentences()[1] == "3 classes: bird (1), cat (2), dog (2)."


def test_shared_folders_are_no_labels(animals, tmp_path):
    wrapped = tmp_path / "wrapped"
    (wrapped / "set").mkdir(parents=True)
    animals.rename(wrapped / "set" / "images")
    assert load(wrapped).classes == ("bird", "cat", "dog")


def test_one_sub_folder_or_a_stray_image_gives_no_labels(animals, tmp_path):
    assert load(animals / "cat").labels is None
    (animals / "stray.png").write_bytes(image(9))
    images = load(animals)
    assert images.labels is None
    assert images.classes == ()


def test_a_zip_equals_its_folder(animals, tmp_path):
    archive = zipped(animals, tmp_path / "animals.zip")
    folder, packed = load(animals), load(archive)
    assert torch.equal(folder.images, packed.images)
    assert torch.equal(folder.labels, packed.labels)
    assert folder.classes == packed.classes
    assert folder.fingerprint == packed.fingerprint


def test_a_folder_that_holds_a_zip(animals, tmp_path):
    outer = tmp_path / "outer"
    outer.mkdir()
    zipped(animals, outer / "animals.zip")
    assert load(outer).fingerprint == load(animals).fingerprint


def test_a_zip_beside_its_own_folder_counts_once(animals, tmp_path):
    zipped(animals, tmp_path / "both.zip")
    outer = tmp_path / "outer"
    (outer / "animals").mkdir(parents=True)
    (tmp_path / "both.zip").rename(outer / "animals.zip")
    (outer / "animals" / "1.png").write_bytes(image(8))
    assert levels(load(outer)) == [8]


def test_a_touched_zip_is_read_again(animals, tmp_path):
    archive = zipped(animals, tmp_path / "animals.zip")
    load(archive)
    (animals / "cat" / "1.png").write_bytes(image(50))
    zipped(animals, archive)
    assert levels(load(archive)) == [5, 50, 2, 4, 3]


def test_files_of_other_kinds_and_hidden_ones_are_left_out(animals):
    make(
        animals,
        {
            "readme.txt": b"text",
            "cat/.DS_Store": b"junk",
            "cat/._1.png": b"a shadow file of a Mac, no image",
        },
    )
    images = load(animals)
    assert len(images) == 5
    assert images.notes[1:] == ("1 other file was left out (.txt).",)


def test_links_are_followed_once(animals):
    (animals / "cat" / "up").symlink_to(animals, target_is_directory=True)
    assert len(load(animals)) == 5


def test_odd_sizes_are_cropped_to_their_centre(tmp_path):
    wide = np.zeros((16, 48, 3), np.uint8)
    wide[:, 16:32] = 200
    stream = io.BytesIO()
    Image.fromarray(wide).save(stream, "PNG")
    folder = make(tmp_path / "odd", {"a.png": stream.getvalue()})
    images = load(folder)
    assert images.images.eq(200).all()
    told = "1 of 1 images is not square: the square at the centre is taken (data.crop=center)."
    assert images.notes[1:] == (told,)
    assert torch.equal(images.images, load(folder, crop="center").images)


def striped(height, width):
    """A file whose long side is dark in its first third, grey in its second and bright in its last."""
    thirds = np.repeat(np.array([40, 120, 200], np.uint8), max(height, width) // 3)
    rows = np.broadcast_to(thirds[:, None] if height > width else thirds, (height, width))
    stream = io.BytesIO()
    Image.fromarray(np.repeat(rows[..., None], 3, axis=2).copy()).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("crop", ["center", "fit", "none"])
@pytest.mark.parametrize("size", [(48, 16), (16, 48), (480, 160), (60, 6)])
def test_crop_says_what_becomes_of_images_that_are_not_square(tmp_path, crop, size):
    images = load(make(tmp_path / "odd", {"a.png": striped(*size)}), crop=crop)
    assert f"data.crop={crop}" in images.notes[1]
    picture = images.images[0, 0]
    long_first = picture if size[0] > size[1] else picture.T
    thin = 16 if crop == "none" else round(16 * min(size) / max(size))
    left = (16 - thin) // 2
    inside = long_first[:, left : left + thin]
    if crop == "center":
        assert picture.eq(120).all()
        return
    assert inside[:4].eq(40).all()
    assert inside[12:].eq(200).all()
    assert long_first[:, :left].eq(255).all(), "white beside it"
    assert long_first[:, left + thin :].eq(255).all()


def test_each_crop_has_a_cache_of_its_own_and_squares_are_the_same_in_all(tmp_path):
    folder = make(tmp_path / "both", {"a.png": striped(48, 16), "b.png": image(7)})
    found = {crop: load(folder, crop=crop) for crop in ("center", "fit", "none")}
    assert len({images.fingerprint for images in found.values()}) == 3
    assert [images.images[1].unique().tolist() for images in found.values()] == [[7]] * 3
    again = load(folder, crop="fit")
    assert torch.equal(again.images, found["fit"].images)


def test_a_long_strip_is_never_laid_on_a_square_of_its_own_size(tmp_path):
    stream = io.BytesIO()
    Image.new("L", (30_000, 2), 90).save(stream, "PNG")  # its square would have 900 million pixels
    images = load(make(tmp_path / "strip", {"a.png": stream.getvalue()}), crop="fit")
    assert sorted(images.images.unique().tolist()) == [90, 255]
    assert "enlarged" not in " ".join(images.notes)


def test_an_unknown_crop_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"data.crop=centre: must be one of .* mean center"):
        load(tmp_path, crop="centre")


def test_small_images_are_enlarged_and_counted(tmp_path):
    folder = make(tmp_path / "s", {"a.png": image(7, (5, 9)), "b.png": image(8, (40, 40))})
    images = load(folder)
    assert levels(images) == [7, 8]
    assert images.notes[2:] == ("1 of 2 images is smaller than 16x16 and was enlarged.",)


def test_luminance(animals):
    grey = load(animals, channels=1)
    assert grey.images.shape == (5, 1, 16, 16)
    assert levels(grey) == [5, 1, 2, 4, 3]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_truncated_file_stops_the_run_by_name(animals, kind):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    stream = io.BytesIO()
    noise.save(stream, kind)
    (animals / "cat" / "broken.jpg").write_bytes(stream.getvalue()[:-500])
    with pytest.raises(DataError, match=r"broken.jpg' is truncated.*data.on_error=skip") as caught:
        load(animals)
    assert str(animals / "cat" / "broken.jpg") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_files_are_skipped_and_counted(animals):
    make(animals, {"cat/0.png": b"no image", "dog/9.jpg": b""})
    images = load(animals, on_error="skip")
    assert levels(images) == [5, 1, 2, 4, 3]
    assert images.labels.tolist() == [0, 1, 1, 2, 2]
    note = images.notes[-1]
    assert note.startswith("2 of 7 files were skipped: '")
    assert "0.png' is not an image of a kind that is read here; " in note
    assert note.endswith("9.jpg' is empty.")
    assert load(animals, on_error="skip").notes == images.notes  # from the cache


def test_bad_files_in_a_zip_are_named(animals, tmp_path):
    make(animals, {"cat/bad.png": b"no image"})
    archive = zipped(animals, tmp_path / "animals.zip")
    with pytest.raises(DataError, match=r"animals.zip/cat/bad.png' is not an image"):
        load(archive)


def test_a_damaged_member_of_a_zip_is_named(animals, tmp_path):
    archive = tmp_path / "stored.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(animals / "cat" / "1.png", "1.png")
    data = bytearray(archive.read_bytes())
    data[60] ^= 0xFF
    archive.write_bytes(data)
    with pytest.raises(DataError, match=r"stored.zip/1.png' is truncated or damaged.*CRC"):
        load(archive)


def test_a_damaged_zip_is_named(tmp_path):
    (tmp_path / "no.zip").write_bytes(b"PK\3\4 but nothing else")
    with pytest.raises(DataError, match=r"no.zip' is no zip archive"):
        load(tmp_path / "no.zip")


def test_a_dangling_link_is_a_bad_file(animals):
    (animals / "cat" / "gone.png").symlink_to(animals / "nowhere.png")
    with pytest.raises(DataError, match=r"gone.png' cannot be read"):
        load(animals)


def test_nothing_readable(tmp_path):
    folder = make(tmp_path / "bad", {"a.png": b"x", "b.png": b"y"})
    with pytest.raises(DataError, match="none of 2 files can be read"):
        load(folder, on_error="skip")


def test_an_empty_folder(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no jpg, png or webp image in '.*empty'"):
        load(tmp_path / "empty")


def test_a_folder_of_other_things(tmp_path):
    with pytest.raises(DataError, match=r"1 other file was left out \(\.txt\)"):
        load(make(tmp_path / "texts", {"a.txt": b"text"}))


def test_a_missing_folder_and_no_folder(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        load(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"data.root is not set"):
        ImageFolder().load("train")


def test_too_few_images(animals):
    images = load(animals)
    check_enough(images, 5)
    with pytest.raises(DataError, match=r"5 images are fewer than one batch of 64.*batch_size=4"):
        check_enough(images, 64)
    wanted = {5: 1, 64: 1, 6: 3, 12: 2, 20: 5}
    assert [fitting_batch(images, w, parts=p) for w, p in wanted.items()] == [5, 4, 3, 4, 5]
    with pytest.raises(DataError, match=r"5 images are fewer than the 8 parts of a batch"):
        fitting_batch(images, 8, parts=8)


def test_folders_train_and_test_are_splits(tmp_path):
    folder = make(
        tmp_path / "split",
        {"train/a/1.png": image(1), "train/b/2.png": image(2), "test/b/3.png": image(3)},
    )
    train, test = load(folder), load(folder, "test")
    assert levels(train) == [1, 2]
    assert levels(test) == [3]
    assert train.classes == test.classes == ("a", "b")
    assert test.labels.tolist() == [1]
    with pytest.raises(ConfigError, match=r"data.holdout"):
        load(folder, holdout=0.1)


def test_holdout_divides_by_name(tmp_path):
    folder = make(tmp_path / "many", {f"{n}.png": image(n) for n in range(100)})
    train, test = load(folder, holdout=0.3), load(folder, "test", holdout=0.3)
    assert sorted(levels(train) + levels(test)) == list(range(100))
    assert 15 <= len(test) <= 45
    make(folder, {"more.png": image(200)})
    assert set(levels(test)) <= set(levels(load(folder, "test", holdout=0.3)))


def test_no_test_split_is_said(animals):
    with pytest.raises(DataError, match=r"no test split.*data.holdout=0.1"):
        load(animals, "test")


def test_names_that_are_not_utf8(tmp_path):
    folder = make(tmp_path / "odd", {"a.png": image(1)})
    try:
        (folder / os.fsdecode(b"\xff.png")).write_bytes(b"no image")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    with pytest.raises(DataError) as caught:
        load(folder)
    str(caught.value).encode()
    assert len(load(folder, on_error="skip")) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 4}, "data.resolution=4"),
        ({"resolution": 32.5}, "data.resolution=32.5"),
        ({"on_error": "ignore"}, "data.on_error=ignore"),
        ({"channels": 4}, "data.channels=4"),
        ({"holdout": 1.0}, "data.holdout=1.0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ConfigError, match=message):
        ImageFolder(**options)


def test_an_unknown_split(animals):
    with pytest.raises(ConfigError, match="no split 'tset'; use train or test"):
        load(animals, "tset")


def test_images_of_many_sizes_stay_in_their_places(tmp_path):
    """Neighbours of one size are resized together, whatever lies between them."""
    sizes = [(16, 16), (40, 40), (40, 60), (40, 40), (9, 9), (1200, 900), (40, 40)]
    folder = make(
        tmp_path / "mixed",
        {f"{n}.png": image(10 * n, size) for n, size in enumerate(sizes)} | {"2b.png": b"bad"},
    )
    found = load(folder, on_error="skip")
    assert levels(found) == [10 * n for n in range(len(sizes))]
    assert found.notes[1].startswith("1 of 8 files was skipped: ")
    assert found.notes[3] == "1 of 7 images is smaller than 16x16 and was enlarged."
