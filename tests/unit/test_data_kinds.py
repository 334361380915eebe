"""Sets beyond images with classes: attributes, unpaired folders, pairs, text."""

from __future__ import annotations

import itertools
import lzma
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from gan_lab.common.errors import ConfigError, DataError
from gan_lab.data.cache.store import cache_root
from gan_lab.data.sets.celeba import Celeba
from gan_lab.data.sets.celeba_labels import ATTRIBUTES
from gan_lab.data.sets.pairs import Pairs
from gan_lab.data.sets.text import ASSET, TextFile
from gan_lab.data.sets.unpaired import Unpaired
from gan_lab.data.stream.together import batches_of
from gan_lab.data.vocabulary import SPECIAL, Vocabulary

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    """A cache of its own."""
    monkeypatch.setenv("GAN_LAB_CACHE", str(tmp_path / "cache"))


def caches():
    return sorted(p.name for p in (cache_root() / "images").iterdir() if p.is_dir())


def picture(path, *levels):
    """A picture of grey squares of 16 pixels beside each other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.concatenate([np.full((16, 16, 3), level, np.uint8) for level in levels], axis=1)
    Image.fromarray(array).save(path)


# --- CelebA's attributes


@pytest.fixture
def faces(tmp_path):
    """Four train images; Smiling are 1 and 3, Male 3 and 4."""
    folder = tmp_path / "data" / "celeba"
    for number in range(1, 5):
        picture(folder / "img_align_celeba" / f"{number:06}.jpg", 10 * number)
    rows = ["4", " ".join(ATTRIBUTES)]
    for number in range(1, 5):
        yes = {"Smiling": number in (1, 3), "Male": number in (3, 4)}
        values = ["1" if yes.get(name) else "-1" for name in ATTRIBUTES]
        rows.append(f"{number:06}.jpg {' '.join(values)}")
    (folder / "list_attr_celeba.txt").write_text("\n".join(rows))
    return folder


def test_one_attribute_gives_two_classes(faces):
    source = Celeba(root=str(faces), labels="Smiling")
    assert source.facts["classes"] == ("not Smiling", "Smiling")
    assert source.facts["label_dim"] == 2
    images = source.load("train")
    assert images.labels.dtype == torch.int64
    assert images.labels.tolist() == [1, 0, 1, 0]
    assert images.classes == ("not Smiling", "Smiling")


def test_several_attributes_are_one_label_of_zeros_and_ones(faces):
    source = Celeba(root=str(faces), labels=["Male", "Smiling"])
    assert source.facts["classes"] == ("Male", "Smiling")
    assert source.facts["label_dim"] == 2
    images = source.load("train")
    assert images.labels.dtype == torch.float32
    assert images.labels.tolist() == [[0, 1], [0, 0], [1, 1], [1, 0]]
    assert images.sentences()[1] == "2 attributes: Male (2), Smiling (2)."
    batch = next(iter(batches_of(images, batch_size=4, seed=0, flip=True, device=CPU)))
    levels = (batch["images"][:, 0, 0, 0] * 127.5 + 127.5).round().div(10).round().long()
    assert torch.equal(batch["labels"], images.labels[levels - 1])


def test_other_labels_need_no_other_pixels(faces):
    plain = Celeba(root=str(faces)).load("train")
    made = caches()
    found = [
        Celeba(root=str(faces), labels=labels).load("train")
        for labels in ("Smiling", "Male", ["Male", "Smiling"])
    ]
    assert caches() == made
    assert len({plain.fingerprint, *(images.fingerprint for images in found)}) == 4
    assert all(torch.equal(images.images, plain.images) for images in found)
    assert "label_dim" not in Celeba(root=str(faces)).facts


def test_labels_stay_with_their_images_where_a_file_is_skipped(faces):
    (faces / "img_align_celeba" / "000002.jpg").write_bytes(b"")
    images = Celeba(root=str(faces), labels="Smiling", on_error="skip").load("train")
    assert images.labels.tolist() == [1, 1, 0]
    assert (images.images[:, 0, 0, 0].float() / 10).round().tolist() == [1, 3, 4]


def test_unknown_attributes_and_lists_are_refused(faces):
    with pytest.raises(ConfigError, match=r"data.labels=Smile: .* did you mean Smiling\?"):
        Celeba(labels=["Smile"])
    with pytest.raises(ConfigError, match="Male is named twice"):
        Celeba(labels=["Male", "Male"])
    path = faces / "list_attr_celeba.txt"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    with pytest.raises(DataError, match=r"does not know 1 of 4 images, such as '000004.jpg'"):
        Celeba(root=str(faces), labels="Male").load("train")
    path.unlink()
    with pytest.raises(DataError, match="is missing or is not CelebA's list of attributes"):
        Celeba(root=str(faces), labels="Male").load("train")


def test_the_real_attributes_of_celeba(shared_data):
    images = Celeba(root=str(shared_data), labels=["Smiling", "Male"], resolution=16).load("valid")
    folder = shared_data / "celeba"
    splits = dict(r.split() for r in (folder / "list_eval_partition.txt").read_text().splitlines())
    rows = (folder / "list_attr_celeba.txt").read_text().splitlines()
    header = rows[1].split()
    expected = [
        [float(row.split()[1 + header.index(name)] == "1") for name in ("Smiling", "Male")]
        for row in rows[2:]
        if splits[row.split()[0]] == "1"
    ]
    assert images.labels.tolist() == expected
    assert tuple(header) == ATTRIBUTES


# --- folders that are not paired


@pytest.fixture
def kinds(tmp_path):
    for folder, count, level in (
        ("trainA", 6, 10),
        ("trainB", 4, 200),
        ("testA", 2, 20),
        ("testB", 1, 190),
    ):
        for number in range(count):
            picture(tmp_path / "kinds" / folder / f"{number}.png", level + number)
    return tmp_path / "kinds"


def test_unpaired_folders_are_streams_of_their_own(kinds):
    source = Unpaired(root=str(kinds), resolution=16, flip=False)
    assert source.facts["columns"] == ("images_a", "images_b")
    data = source.load("train")
    assert len(data) == 4
    assert data.tables["a"].images[:, 0, 0, 0].tolist() == [10, 11, 12, 13, 14, 15]
    assert data.tables["b"].images[:, 0, 0, 0].tolist() == [200, 201, 202, 203]
    batches = batches_of(data, batch_size=2, seed=0, flip=False, device=CPU)
    for batch in itertools.islice(batches, 5):
        assert (batch["images_a"] < 0).all()
        assert (batch["images_b"] > 0).all()
    assert data.sentences() == [
        "unpaired (trainA): 6 images, 16x16 pixels, colour",
        "unpaired (trainB): 4 images, 16x16 pixels, colour",
    ]
    assert [len(table) for table in source.load("test").tables.values()] == [2, 1]


def test_a_folder_that_is_missing_is_named(kinds):
    shutil.rmtree(kinds / "testB")
    with pytest.raises(
        DataError, match=r"no folder testB in '.*' \(there is testA, trainA, trainB\)"
    ):
        Unpaired(root=str(kinds)).load("test")
    with pytest.raises(DataError, match=r"data.root is not set"):
        Unpaired().load("train")
    with pytest.raises(DataError, match=r"does not exist"):
        Unpaired(root=str(kinds / "none")).load("train")


def test_the_real_unpaired_folders(shared_data):
    data = Unpaired(root=str(shared_data / "unpaired"), resolution=16).load("train")
    assert {name: len(table) for name, table in data.tables.items()} == {"a": 96, "b": 96}


# --- pairs


def test_pairs_are_two_columns_of_one_table(tmp_path):
    for split, count in (("train", 5), ("test", 2)):
        for number in range(count):
            picture(tmp_path / "pairs" / split / f"{number}.png", 10 * number, 255 - 10 * number)
    left = Pairs(root=str(tmp_path / "pairs"), resolution=16)
    assert left.facts["columns"] == ("images", "partner")
    images = left.load("train")
    assert images.images[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40]
    assert torch.equal(images.beside["partner"].values, 255 - images.images)
    for batch in itertools.islice(
        batches_of(images, batch_size=4, seed=0, flip=True, device=CPU), 5
    ):
        assert torch.allclose(batch["images"], -batch["partner"])
    right = Pairs(root=str(tmp_path / "pairs"), resolution=16, images="right").load("train")
    assert torch.equal(right.images, images.beside["partner"].values)
    assert right.fingerprint != images.fingerprint
    assert len(left.load("test")) == 2


def test_the_real_pairs(shared_data):
    images = Pairs(root=str(shared_data / "pairs"), resolution=32).load("test")
    assert images.images.shape == images.beside["partner"].values.shape == (40, 3, 32, 32)
    photo, mask = (
        x.float().mean(dim=(0, 2, 3)) for x in (images.images, images.beside["partner"].values)
    )
    assert not torch.allclose(photo, mask, atol=5)


# --- text


def test_characters_and_words_go_there_and_back(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("The cat sat.\n\n  A dog ran!  \nThe cat's dog.\n")
    for level, expected in (
        ("char", ["The cat sat.", "A dog ran!", "The cat's dog."]),
        ("word", ["the cat sat .", "a dog ran !", "the cat's dog ."]),
    ):
        source = TextFile(root=str(path), level=level, length=14, holdout=0)
        data = source.load("train")
        facts = dict(source.facts)
        assert data.tokens.shape == (3, 14)
        assert data.tokens.dtype == torch.int64
        assert facts["vocab_size"] == len(facts["vocabulary"]) == data.tokens.max() + 1
        assert Vocabulary(facts["vocabulary"], facts["level"]).decode(data.tokens) == expected
        assert facts["vocabulary"][:3] == SPECIAL


def test_long_lines_and_rare_words_are_told(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("a a a b b c\na b\n")
    source = TextFile(root=str(path), level="word", length=4, max_words=1, holdout=0)
    data = source.load("train")
    assert source.vocabulary.words == (*SPECIAL, "a")
    assert source.vocabulary.decode(data.tokens) == ["a a a <unknown>", "a <unknown>"]
    assert data.notes == (
        "1 of 2 lines are longer and were cut (data.length=4).",
        "2 tokens are rarer words (data.max_words=1), written <unknown>.",
    )


def test_the_embedded_text_divides_into_splits():
    source = TextFile()
    train, test = source.load("train"), source.load("test")
    lines = lzma.decompress(ASSET.read_bytes()).decode().splitlines()
    assert len(train) + len(test) == len(lines) == 6211
    assert 0.08 < len(test) / len(lines) < 0.12
    assert "The fear of the LORD is the beginning of knowledge:"[:48] in source.vocabulary.decode(
        torch.cat([train.tokens, test.tokens])
    )
    batch = next(iter(batches_of(train, batch_size=8, seed=0, flip=False, device=CPU)))
    assert batch["tokens"].shape == (8, 48)
    assert len(TextFile(level="word").vocabulary.words) > 2000


def test_a_text_that_cannot_be_read_is_refused(tmp_path):
    for name, content in (("empty.txt", b"\n \n"), ("bytes.txt", b"\xff\xfe\x00")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=r"data=text: '.*' (cannot be read|holds no line)"):
            TextFile(root=str(tmp_path / name)).load("train")
    with pytest.raises(DataError, match="cannot be read"):
        TextFile(root=str(tmp_path / "none.txt")).load("train")
    with pytest.raises(DataError, match="no line is kept for the split test"):
        TextFile(holdout=0).load("test")
