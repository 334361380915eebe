"""A resumed run goes on with the images that it was trained on, wherever they lie now, or says what is different."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import yaml
from PIL import Image

from gan_lab.data.image_set import ImageSet
from gan_lab.run.known_data import compare_images, identity_of
from gan_lab.storage.checkpoint import load_checkpoint, save_checkpoint
from gan_lab.train import main
from tests.test_resume import SMALL, last

COMMAND = [
    "model=dcgan", "data=image_folder", "data.resolution=16", *[o for o in SMALL if not o.startswith("metrics.")],
    "metrics=none", "samples.every_kimg=0",
]  # fmt: skip


def photos(folder, count, *, seed=0, classes=("cat", "dog")):
    draw = np.random.default_rng(seed)
    for index in range(count):
        place = folder / classes[index % len(classes)]
        place.mkdir(parents=True, exist_ok=True)
        pixels = draw.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{index:03}.png")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on 40 photos, made from their folder's parent with a relative root."""
    place = tmp_path_factory.mktemp("trained")
    photos(place / "photos", 40)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        code = main([*COMMAND, "data.root=photos", "max_rounds=2", f"hydra.run.dir={place}/run"])
    assert code == 0
    return place


@pytest.fixture
def place(trained, tmp_path):
    """A copy of that run and of its photos, at another place; the stored root still names the first one."""
    shutil.copytree(trained, tmp_path / "copy")
    return tmp_path / "copy"


def resumed(place, *more):
    return main([f"resume={place}/run", "max_rounds=3", *more])


def test_a_root_is_stored_absolute_and_found_from_anywhere(trained, tmp_path, monkeypatch):
    shutil.copytree(trained / "run", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert resumed(tmp_path) == 0
    stored = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert stored["data"]["root"] == str(trained / "photos")
    assert last(tmp_path / "run")["clock"]["iteration"] == 3


def test_the_same_images_elsewhere_are_gone_on_with(place):
    (place / "photos").rename(place / "pictures of ours")
    assert resumed(place, f"data.root={place}/pictures of ours") == 0
    assert last(place / "run")["clock"]["iteration"] == 3


def other_number(photos_folder):
    (photos_folder / "cat" / "000.png").unlink()


def other_pixels(photos_folder):
    photos(photos_folder, 1, seed=5)


def other_order(photos_folder):
    (photos_folder / "cat" / "000.png").rename(photos_folder / "cat" / "zzz.png")


def other_classes(photos_folder):
    (photos_folder / "cat").rename(photos_folder / "cats")


CHANGES = {
    other_number: "trained on 40 images of image_folder (train), and here are 39",
    other_pixels: "and here are 40 of image_folder (train), but not the same ones in the same order",
    other_order: "but not the same ones in the same order",
    other_classes: "but the classes were cat, dog and are cats, dog",
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_images_are_refused_and_taken_on_request(place, change, capsys):
    change(place / "photos")
    root = f"data.root={place}/photos"
    assert resumed(place, root) == 2
    said = capsys.readouterr().err
    assert CHANGES[change] in said
    assert "data.changed=accept" in said
    assert "Traceback" not in said
    assert last(place / "run")["clock"]["iteration"] == 2
    assert resumed(place, root, "data.changed=accept") == 0
    assert last(place / "run")["clock"]["iteration"] == 3
    capsys.readouterr()
    assert main([f"resume={place}/run", "max_rounds=4", root]) == 0, "what was taken is known now"


def test_a_checkpoint_that_does_not_say_its_data_is_gone_on_with_and_says_so(place, capsys):
    state = last(place / "run")
    del state["identity"]["data"]
    save_checkpoint(state, place / "run" / "checkpoints" / "last.ckpt")
    assert resumed(place) == 0
    assert "does not say on which images it was trained" in capsys.readouterr().err
    again = load_checkpoint(place / "run" / "checkpoints" / "last.ckpt")
    assert again["identity"]["data"]["count"] == 40


def test_the_identity_is_of_plain_values():
    images = ImageSet("celeba", "train", np.zeros((3, 1, 2, 2)), None, ("a",), "f" * 16)  # type: ignore[arg-type]
    known = identity_of(images)
    assert known == {
        "name": "celeba", "split": "train", "count": 3, "classes": ["a"], "fingerprint": "f" * 16,
    }  # fmt: skip
    assert compare_images(images, known, changed="refuse") == []
