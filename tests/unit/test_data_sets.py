"""The named sets: layouts, parts, splits, and what is said where one is missing."""

from __future__ import annotations

import gzip
import inspect
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from gan_lab.common.errors import ConfigError, DataError
from gan_lab.data.image_set import ImageSet
from gan_lab.data.sets.afhq import Afhq
from gan_lab.data.sets.celeba import Celeba
from gan_lab.data.sets.cifar import CLASSES, Cifar10
from gan_lab.data.sets.fashion_mini import FashionMini, fashion_mini_indices
from gan_lab.data.sets.folder import ImageFolder
from gan_lab.data.sets.mnist import FashionMnist, Mnist


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """An own cache, an empty working folder, no shared data."""
    monkeypatch.setenv("GAN_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GAN_LAB_DATA", raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


SOURCES = [FashionMini, Mnist, FashionMnist, Cifar10, Celeba, ImageFolder, Afhq]


def listing(folder):
    return sorted((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*"))


# --- Fashion-MNIST inside the package


def test_fashion_mini():
    train, test = FashionMini().load("train"), FashionMini().load("test")
    assert train.images.shape == (10_000, 1, 32, 32)
    assert test.images.shape == (2_000, 1, 32, 32)
    assert train.images.dtype == torch.uint8
    assert train.labels.bincount().tolist() == [1000] * 10
    assert test.labels.bincount().tolist() == [200] * 10
    assert len(train.classes) == 10
    frame = train.images.clone()
    frame[:, :, 2:30, 2:30] = 0
    assert not frame.any()
    raw = FashionMini(resolution=28).load("test")
    assert torch.equal(raw.images, test.images[:, :, 2:30, 2:30])
    assert len({train.fingerprint, test.fingerprint, raw.fingerprint}) == 3
    assert FashionMini().load("train").fingerprint == train.fingerprint


def test_fashion_mini_other_sizes():
    images = FashionMini(resolution=64).load("test")
    assert images.images.shape == (2_000, 1, 64, 64)
    assert images.notes == ("The images are 32 pixels wide and were enlarged to 64.",)


def test_fashion_mini_is_a_part_of_the_official_files(shared_data):
    for split in ("train", "test"):
        mini = FashionMini(resolution=28).load(split)
        full = FashionMnist(root=str(shared_data), resolution=28).load(split)
        indices = torch.from_numpy(fashion_mini_indices(split))
        assert len(indices.unique()) == len(mini)
        assert torch.equal(mini.images, full.images[indices])
        assert torch.equal(mini.labels, full.labels[indices])
        assert mini.classes == full.classes


# --- MNIST


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def digits(folder, count=6, packed=True, level=0):
    folder.mkdir(parents=True)
    images = np.full((count, 28, 28), level, np.uint8)
    images[:, 0, 0] = np.arange(count)
    labels = np.arange(count, dtype=np.uint8) % 10
    for prefix in ("train", "t10k"):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            name = f"{prefix}-{kind}-ubyte"
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
            else:
                (folder / name).write_bytes(idx(array))
    return folder


@pytest.mark.parametrize("packed", [True, False])
def test_mnist_is_read_gzipped_or_not(tmp_path, packed):
    digits(tmp_path / "data" / "MNIST" / "raw", packed=packed)
    before = listing(tmp_path / "data")
    for root in ("data", "data/MNIST", "data/MNIST/raw"):
        images = Mnist(root=str(tmp_path / root)).load("train")
        assert images.images.shape == (6, 1, 32, 32)
        assert images.images[:, 0, 2, 2].tolist() == list(range(6))
        assert images.labels.tolist() == list(range(6))
        assert images.notes == ("6 of MNIST's 60,000 train images are here.",)
    assert listing(tmp_path / "data") == before


def test_mnist_and_fashion_mnist_are_not_confused(tmp_path):
    digits(tmp_path / "MNIST" / "raw", level=1)
    digits(tmp_path / "FashionMNIST" / "raw", level=2)
    root = str(tmp_path)
    assert Mnist(root=root).load("train").images[0, 0, 9, 9] == 1
    assert FashionMnist(root=root).load("train").images[0, 0, 9, 9] == 2
    with pytest.raises(DataError, match="Fashion-MNIST was not found in"):
        FashionMnist(root=str(tmp_path / "MNIST")).load("train")
    with pytest.raises(DataError, match="MNIST was not found in"):
        Mnist(root=str(tmp_path / "FashionMNIST" / "raw")).load("train")


def test_truncated_digits_are_named(tmp_path):
    raw = digits(tmp_path / "MNIST" / "raw", count=50)
    path = raw / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz' is truncated or damaged"):
        Mnist(root=str(tmp_path)).load("train")
    path.write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz' is truncated or damaged"):
        Mnist(root=str(tmp_path)).load("train")


def test_truncated_unpacked_digits_are_named(tmp_path):
    raw = digits(tmp_path / "MNIST" / "raw", packed=False)
    path = raw / "train-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte' is truncated or damaged"):
        Mnist(root=str(tmp_path)).load("train")


def test_the_real_mnist(shared_data):
    images = Mnist(root=str(shared_data), resolution=28).load("test")
    assert images.images.shape == (10_000, 1, 28, 28)
    assert images.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert images.notes == ()


# --- CIFAR-10


def batch(first, count=4):
    data = np.zeros((count, 3072), np.uint8)
    data[:, 0] = np.arange(first, first + count)  # red of the first pixel
    data[:, 2048] = 7  # blue of the first pixel
    return {"data": data, "labels": [n % 10 for n in range(count)], "batch_label": "b"}


@pytest.fixture
def cifar_batches(tmp_path):
    folder = tmp_path / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for number in range(1, 6):
        content = pickle.dumps(batch(10 * number), protocol=2)
        (folder / f"data_batch_{number}").write_bytes(content)
    (folder / "test_batch").write_bytes(pickle.dumps(batch(100), protocol=2))
    return folder


def test_cifar_batches(cifar_batches):
    for root in (cifar_batches.parent, cifar_batches):
        images = Cifar10(root=str(root)).load("train")
        assert images.images.shape == (20, 3, 32, 32)
        assert images.images[:5, 0, 0, 0].tolist() == [10, 11, 12, 13, 20]
        assert images.images[:, 2, 0, 0].eq(7).all()
        assert images.labels.tolist() == [0, 1, 2, 3] * 5
        assert images.classes == CLASSES
        assert images.notes == ("20 of CIFAR-10's 50,000 train images are here.",)
    assert len(Cifar10(root=str(root), resolution=16).load("test")) == 4


def test_cifar_archive_equals_its_batches(cifar_batches, tmp_path):
    other = tmp_path / "packed"
    other.mkdir()
    with tarfile.open(other / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(cifar_batches, "cifar-10-batches-py")
    before = listing(other)
    packed = Cifar10(root=str(other)).load("train")
    assert packed.fingerprint == Cifar10(root=str(cifar_batches)).load("train").fingerprint
    assert listing(other) == before
    data = (other / "cifar-10-python.tar.gz").read_bytes()
    (other / "cifar-10-python.tar.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"cifar-10-python.tar.gz.* is truncated or damaged"):
        Cifar10(root=str(other)).load("train")


def test_a_batch_that_would_run_code_is_refused(cifar_batches):
    class Evil:
        def __reduce__(self):
            return print, ("run",)

    (cifar_batches / "data_batch_3").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(DataError, match="data_batch_3' is truncated or damaged"):
        Cifar10(root=str(cifar_batches)).load("train")


def test_an_archive_writes_nothing_and_is_read_nowhere_else(cifar_batches, tmp_path):
    """Entries that lead out of it are not looked at, and links lead nowhere."""
    folder = tmp_path / "in" / "data"
    folder.mkdir(parents=True)
    (tmp_path / "secret").write_bytes(pickle.dumps(batch(7)))
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(cifar_batches / "test_batch", "../evil")
        archive.add(cifar_batches / "test_batch", "/tmp/evil-of-cifar")
        archive.add(cifar_batches, "cifar-10-batches-py")
    images = Cifar10(root=str(folder)).load("train")
    assert images.images[:5, 0, 0, 0].tolist() == [10, 11, 12, 13, 20]
    assert [path.name for path in (tmp_path / "in").rglob("*")] == [
        "data",
        "cifar-10-python.tar.gz",
    ]
    assert not Path("/tmp/evil-of-cifar").exists()
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as archive:
        for number in range(1, 6):
            link = tarfile.TarInfo(f"cifar-10-batches-py/data_batch_{number}")
            link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
            archive.addfile(link)
    with pytest.raises(DataError, match=r"cifar-10-python.tar.gz' is truncated or damaged"):
        Cifar10(root=str(folder)).load("train")


def test_a_batch_may_not_even_name_other_codecs(cifar_batches):
    content = b"c_codecs\nencode\n(Vx\nVrot13\ntR."
    (cifar_batches / "data_batch_3").write_bytes(content)
    with pytest.raises(
        DataError, match=r"data_batch_3' is truncated or damaged \(it names the codec rot13"
    ):
        Cifar10(root=str(cifar_batches)).load("train")


def test_cifar_folders_that_are_no_classes_are_left_out_and_said(cifar_tree):
    (cifar_tree / "train" / "unicorn").mkdir()
    Image.new("RGB", (32, 32)).save(cifar_tree / "train" / "unicorn" / "1.png")
    images = Cifar10(root=str(cifar_tree)).load("train")
    assert len(images) == 30
    assert (
        "1 image lies in no folder of CIFAR-10's classes, such as 'unicorn/1.png'"
        in images.notes[1]
    )
    assert images.sentences()[1].startswith("10 classes: airplane (3), automobile (3)")


def test_many_classes_are_counted_in_one_sentence():
    labels = torch.arange(100).repeat(2)[:150]
    classes = tuple(f"c{n}" for n in range(100))
    pixels = torch.zeros(150, 1, 8, 8, dtype=torch.uint8)
    told = ImageSet("many", "train", pixels, labels, classes, "f").sentences()
    assert told[0] == "many (train): 150 images, 8x8 pixels, grey"
    assert told[1].startswith("100 classes of 1 to 2 images: c0 (2), c1 (2), ")
    assert told[1].endswith(" and 88 more.")


@pytest.fixture
def cifar_tree(tmp_path):
    root = tmp_path / "tree" / "cifar10" / "cifar10_part"
    for split, count in (("train", 3), ("test", 1)):
        for number, name in enumerate(CLASSES):
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                level = 10 * number + index
                image = Image.new("RGB", (32, 32), (level, level, level))
                image.save(folder / f"{index}.webp", lossless=True)
    return root


def test_a_part_of_cifar_in_folders_or_a_zip(cifar_tree, tmp_path):
    packed = tmp_path / "packed" / "cifar10"
    packed.mkdir(parents=True)
    with zipfile.ZipFile(packed / "cifar10_part.zip", "w") as archive:
        for path in sorted(cifar_tree.rglob("*.webp")):
            archive.write(path, path.relative_to(cifar_tree.parent))
    found = []
    for root in (
        cifar_tree,
        cifar_tree.parent,
        cifar_tree.parent.parent,
        packed.parent,
        packed,
        packed / "cifar10_part.zip",
    ):
        images = Cifar10(root=str(root)).load("train")
        assert images.labels.tolist() == [n for n in range(10) for _ in range(3)]
        assert images.images[:4, 0, 0, 0].tolist() == [0, 1, 2, 10]
        assert images.notes == ("30 of CIFAR-10's 50,000 train images are here.",)
        found.append(images.fingerprint)
    assert len(set(found)) == 1
    assert len(Cifar10(root=str(cifar_tree)).load("test")) == 10


def test_the_real_part_of_cifar(shared_data):
    images = Cifar10(root=str(shared_data)).load("test")
    assert images.labels.bincount().tolist() == [130] * 10
    assert images.notes == ("1,300 of CIFAR-10's 10,000 test images are here.",)


# --- CelebA


@pytest.fixture
def faces(tmp_path):
    """Two train images, one valid, one test, and one that the list does not know."""
    folder = tmp_path / "data" / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    for number in (1, 2, 162771, 182638):
        level = number % 251
        image = Image.new("RGB", (178, 218), (level, level, level))
        image.save(folder / "img_align_celeba" / f"{number:06}.jpg", quality=95)
    rows = ["000001.jpg 0", "000002.jpg 0", "162771.jpg 1", "182638.jpg 2", "000099.jpg 0"]
    (folder / "list_eval_partition.txt").write_text("\n".join(rows))
    return folder


def test_celeba_splits_and_places(faces, tmp_path):
    for root in (faces.parent, faces, faces / "img_align_celeba"):
        train = Celeba(root=str(root), resolution=32).load("train")
        assert train.images.shape == (2, 3, 32, 32)
        assert train.labels is None
        assert train.notes == ("2 of CelebA's 162,770 train images are here.",)
        for split in ("valid", "test"):
            assert len(Celeba(root=str(root)).load(split)) == 1
        assert len(Celeba(root=str(root)).load("all")) == 4


def test_celeba_without_its_list_goes_by_numbers(faces):
    with_list = Celeba(root=str(faces)).load("valid")
    (faces / "list_eval_partition.txt").unlink()
    without = Celeba(root=str(faces)).load("valid")
    assert with_list.fingerprint == without.fingerprint
    assert len(Celeba(root=str(faces)).load("train")) == 2


def test_celeba_in_its_archive(faces):
    expected = Celeba(root=str(faces)).load("all").fingerprint
    with zipfile.ZipFile(faces / "img_align_celeba.zip", "w") as archive:
        for path in sorted((faces / "img_align_celeba").iterdir()):
            archive.write(path, f"img_align_celeba/{path.name}")
            path.unlink()
    (faces / "img_align_celeba").rmdir()
    for root in (faces.parent, faces, faces / "img_align_celeba.zip"):
        assert Celeba(root=str(root)).load("all").fingerprint == expected


def test_celeba_without_a_split(faces):
    (faces / "img_align_celeba" / "162771.jpg").unlink()
    with pytest.raises(DataError, match="holds no valid image of CelebA"):
        Celeba(root=str(faces)).load("valid")


def test_celeba_with_a_damaged_list(faces):
    (faces / "list_eval_partition.txt").write_text("000001.jpg nought\n")
    with pytest.raises(DataError, match=r"list_eval_partition.txt' is not CelebA's list"):
        Celeba(root=str(faces)).load("train")


def test_whole_faces(faces):
    whole, squeezed = (Celeba(root=str(faces), crop=crop).load("train") for crop in ("fit", "none"))
    assert whole.notes[-1] == (
        "2 of 2 images are not square: white is added beside the whole image (data.crop=fit)."
    )
    assert squeezed.notes[-1] == (
        "2 of 2 images are not square: the whole image is squeezed (data.crop=none)."
    )
    assert whole.images[..., :5].eq(255).all(), "64 pixels high, 52 wide"
    assert not whole.images[..., 6:-6].eq(255).all()


def test_a_truncated_face(faces):
    path = faces / "img_align_celeba" / "000002.jpg"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"000002.jpg' is truncated"):
        Celeba(root=str(faces)).load("train")
    skipped = Celeba(root=str(faces), on_error="skip").load("train")
    assert len(skipped) == 1
    assert skipped.notes[-1].startswith("1 of 2 files was skipped: ")


def test_the_real_part_of_celeba_is_within_one_level_of_pillow(shared_data):
    root = shared_data / "celeba"
    before = sorted(p.name for p in root.iterdir())
    images = Celeba(root=str(shared_data)).load("valid")
    assert images.images.shape == (450, 3, 64, 64)
    assert images.notes == ("450 of CelebA's 19,867 valid images are here.",)
    rows = [line.split() for line in (root / "list_eval_partition.txt").read_text().splitlines()]
    names = sorted(name for name, split in rows if split == "1")
    worst = 0
    for index in range(0, 450, 5):
        with Image.open(root / "img_align_celeba" / names[index]) as image:
            small = image.convert("RGB").crop((0, 20, 178, 198))
            small = small.resize((64, 64), Image.Resampling.BILINEAR)
        expected = np.asarray(small).astype(int).transpose(2, 0, 1)
        worst = max(worst, np.abs(images.images[index].numpy() - expected).max())
    assert worst <= 1
    assert sorted(p.name for p in root.iterdir()) == before


# --- options


@pytest.mark.parametrize("source", SOURCES)
def test_yaml_lists_every_option_with_its_default(source):
    path = Path(__file__).parents[2] / "conf" / "data" / f"{source.name}.yaml"
    options = yaml.safe_load(path.read_text())
    assert options.pop("_target_") == f"{source.__module__}.{source.__name__}"
    assert options.pop("batch_size") == 64
    assert options.pop("device") == "auto"
    parameters = inspect.signature(source).parameters
    assert options == {name: p.default for name, p in parameters.items()}
    made = source(**options)
    assert (made.resolution, made.flip) == (options["resolution"], options["flip"])
    assert made.channels in (1, 3)
    assert made.splits[0] == "train"


@pytest.mark.parametrize("source", SOURCES)
def test_bad_options_are_refused(source):
    with pytest.raises(ConfigError, match=r"data.resolution=0"):
        source(resolution=0)
    with pytest.raises(ConfigError, match=f"data={source.name}: has no split 'dev'"):
        source().load("dev")


# --- AFHQ


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_afhq_has_three_classes_or_one_animal(tmp_path, held_out):
    """Of its second and its first version, with a folder around; an animal's images are the same in both ways."""
    for number, (split, animal) in enumerate(
        (split, animal) for split in ("train", held_out) for animal in ("cat", "dog", "wild")
    ):
        folder = tmp_path / "afhq" / split / animal
        folder.mkdir(parents=True)
        for image in range(2 if split == "train" else 1):
            Image.new("RGB", (20, 20), (40 * number, 100 * image, 0)).save(folder / f"{image}.png")
    whole = Afhq(root=str(tmp_path), resolution=16)
    train, test = whole.load("train"), whole.load("test")
    assert whole.facts["classes"] == train.classes == ("cat", "dog", "wild")
    assert train.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert test.labels.tolist() == [0, 1, 2]
    dogs = Afhq(root=str(tmp_path), resolution=16, animal="dog")
    alone = dogs.load("train")
    assert torch.equal(alone.images, train.images[2:4])
    assert alone.labels is None
    assert "3 images of dog are used." in alone.notes
    assert torch.equal(dogs.load("test").images, test.images[1:2])
    with pytest.raises(DataError, match="data=afhq: no images of wild for the split train are in"):
        Afhq(root=str(tmp_path / "afhq" / "train" / "cat"), animal="wild").load("train")
    with pytest.raises(ConfigError, match=r"data\.animal=cow: must be one of all, cat, dog, wild"):
        Afhq(animal="cow")


@pytest.mark.parametrize("animal", ["all", "cat"])
def test_afhq_of_one_animal_alone(tmp_path, animal):
    """Folders that all images share have no part in the names of images, and still tell the animal."""
    for split in ("train", "test"):
        folder = tmp_path / split / "cat" / "deeper"
        folder.mkdir(parents=True)
        Image.new("RGB", (20, 20), (200, 100, 0)).save(folder / f"{split}.png")
    source = Afhq(root=str(tmp_path), resolution=16, animal=animal)
    assert [len(source.load(split)) for split in ("train", "test")] == [1, 1]
    if animal == "cat":
        assert source.load("train").labels is None


def test_unclear_splits_of_afhq_are_refused_without_an_option_that_it_lacks(tmp_path):
    for split in ("train", "test", "more"):
        folder = tmp_path / split / "cat"
        folder.mkdir(parents=True)
        Image.new("RGB", (20, 20), (200, 100, 0)).save(folder / "0.png")
    with pytest.raises(DataError, match="do not divide its images clearly") as caught:
        Afhq(root=str(tmp_path), resolution=16).load("train")
    assert "data.splits" not in str(caught.value)
    assert str(caught.value).endswith("or sort them into folders train/ and test/.")
