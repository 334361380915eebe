"""Where sets are looked for, what is said where one is missing, and how a download lands."""

from __future__ import annotations

import pytest

from gan_lab.common.errors import DataError
from gan_lab.data.sets import celeba, cifar, places
from gan_lab.data.sets.celeba import Celeba
from gan_lab.data.sets.cifar import Cifar10
from gan_lab.data.sets.mnist import FashionMnist, Mnist

from .test_data_sets import digits


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """An own cache, an empty working folder, no shared data."""
    monkeypatch.setenv("GAN_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GAN_LAB_DATA", raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def offline(folder):
    raise OSError("Name or service not known")


@pytest.fixture
def no_downloads(monkeypatch):
    monkeypatch.setattr(Mnist, "_fetch", lambda self, folder: offline(folder))
    monkeypatch.setattr(FashionMnist, "_fetch", lambda self, folder: offline(folder))
    monkeypatch.setattr(cifar, "_fetch", offline)
    monkeypatch.setattr(celeba, "_fetch", offline)


@pytest.mark.parametrize("source", [Mnist, FashionMnist, Cifar10, Celeba])
def test_a_missing_set_says_where_it_was_looked_for(source, no_downloads, tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_LAB_DATA", str(tmp_path / "lab"))
    with pytest.raises(DataError) as caught:
        source().load("train")
    message = str(caught.value)
    assert "\n" not in message
    for word in (
        f"data={source.name}",
        str(tmp_path / "lab"),
        str(tmp_path / "work" / "data"),
        str(tmp_path / "cache" / "data"),
        "could not be downloaded (Name or service not known)",
        "data.root=",
        "GAN_LAB_DATA",
    ):
        assert word in message
    assert list((tmp_path / "cache" / "data").glob("*.tmp-*")) == []


@pytest.mark.parametrize("source", [Mnist, FashionMnist, Cifar10, Celeba])
def test_a_wrong_root_is_not_downloaded_to(source, tmp_path, monkeypatch):
    monkeypatch.setattr(places, "_download", lambda *_: pytest.fail("it tried to download"))
    with pytest.raises(DataError, match=r"was not found in '.*elsewhere'; set data.root="):
        source(root=str(tmp_path / "elsewhere")).load("train")


def test_a_download_lands_whole_in_the_cache(tmp_path, monkeypatch):
    fetched = []

    def fetch(self, folder):
        fetched.append(folder)
        digits(folder / "MNIST" / "raw")

    monkeypatch.setattr(Mnist, "_fetch", fetch)
    assert len(Mnist().load("train")) == 6
    assert len(Mnist().load("test")) == 6
    assert len(fetched) == 1
    assert (tmp_path / "cache" / "data" / "MNIST" / "raw").is_dir()
    assert not fetched[0].exists()


def test_the_environment_and_the_working_folder_are_looked_in(tmp_path, no_downloads, monkeypatch):
    digits(tmp_path / "work" / "data" / "MNIST" / "raw", level=1)
    assert Mnist().load("train").images[0, 0, 9, 9] == 1
    digits(tmp_path / "lab" / "MNIST" / "raw", level=2)
    monkeypatch.setenv("GAN_LAB_DATA", str(tmp_path / "lab"))
    assert Mnist().load("train").images[0, 0, 9, 9] == 2
