"""Metrics that know classes: an independent classifier's accuracy, and the small distance within each class."""

import math
from dataclasses import replace

import pytest
import torch

from gan_lab.common.errors import ConfigError
from gan_lab.data.image_set import ImageSet
from gan_lab.data.sets.fashion_mini import FashionMini
from gan_lab.metrics import classifier
from gan_lab.metrics.accuracy import Accuracy
from gan_lab.metrics.small import SmallFrechet
from gan_lab.metrics.small_by_class import SmallByClass
from gan_lab.metrics.together import Metrics
from gan_lab.metrics.views import Conditions

CPU = torch.device("cpu")
CLASSES = ("left/top", "right side", "middle")


def stripes(labels, seed):
    """A bright stripe at the left, the right or in the middle of a noisy image."""
    noise = torch.randint(
        0, 60, (len(labels), 1, 16, 16), generator=torch.Generator().manual_seed(seed)
    )
    for image, label in zip(noise, labels.tolist(), strict=True):
        image[:, :, [0, 12, 6][label] : [4, 16, 10][label]] += 180
    return noise.to(torch.uint8)


class Stripes:
    splits = ("train", "test")

    def __init__(self, *, labels=True, several=False, splits=("train", "test")):
        self.labels, self.several, self.splits = labels, several, splits

    def load(self, split):
        labels = torch.arange(300) % 3
        images = stripes(labels, seed=len(split))
        if self.several:
            labels = torch.stack([labels == 0, labels == 1], dim=1).float()
        kept = labels if self.labels else None
        print_of = f"stripes-{split}-{self.several}"
        return ImageSet(
            "stripes",
            split,
            images,
            kept,
            CLASSES if self.labels and not self.several else (),
            print_of,
        )


class Shown:
    """Samples that show the class that was asked for, or the next one."""

    def __init__(self, *, off=0):
        self.off = off

    def __call__(self, start, count):
        return stripes((self.labels(start, count) + self.off) % 3, seed=9).float() / 127.5 - 1

    def labels(self, start, count):
        return torch.arange(start, start + count) % 3


def accuracy_on(source, **options):
    metric = Accuracy(**{"num_samples": 90, "train_kimg": 3, **options})
    metric.prepare(source, CPU)
    return metric


def test_the_share_that_shows_what_was_asked():
    metric = accuracy_on(Stripes())
    right = metric.score(Shown())
    assert right.values["metric/accuracy"] > 0.95
    assert set(right.values) == {
        "metric/accuracy", "metric/accuracy/left-top", "metric/accuracy/right_side", "metric/accuracy/middle",
    }  # fmt: skip
    assert metric.score(Shown(off=1)).values["metric/accuracy"] < 0.05
    assert right.protocol["classifier_accuracy"] > 0.95
    assert right.protocol["classifier_judged_on"] == "split 'test'"
    assert right.protocol["higher_is_better"] is True
    assert len(right.protocol["classifier_sha256"]) == 64


def test_the_classifier_is_trained_once_and_a_damaged_one_again(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("GAN_LAB_CACHE", str(tmp_path))
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = accuracy_on(Stripes(), train_kimg=1).protocol
    assert torch.equal(torch.get_rng_state(), before)
    real, trained = classifier._trained, []
    monkeypatch.setattr(
        classifier, "_trained", lambda *a, **k: (trained.append(1), real(*a, **k))[1]
    )
    assert accuracy_on(Stripes(), train_kimg=1).protocol == first
    assert trained == []
    (file,) = (tmp_path / "classifiers").iterdir()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    caplog.set_level("INFO", logger="gan_lab")
    assert accuracy_on(Stripes(), train_kimg=1).protocol == first
    assert trained == [1]
    assert "is damaged and will be trained again" in caplog.text


def test_without_another_split_a_tenth_is_held_out():
    metric = accuracy_on(Stripes(splits=("train",)), train_kimg=1)
    assert "a fixed tenth of split 'train'" in metric.protocol["classifier_judged_on"]
    (images, learned), (_, judged), _ = classifier._parts(
        classifier.Reals(Stripes(splits=("train",)), CPU, Conditions(), batch_size=9)
    )
    assert len(judged) == 30
    assert sorted([*learned.tolist(), *judged.tolist()]) == list(range(len(images)))


def test_several_attributes_are_judged_one_by_one():
    metric = accuracy_on(Stripes(several=True))

    class Asked(Shown):
        def labels(self, start, count):
            one = super().labels(start, count)
            return torch.stack([one == 0, one == 1], dim=1).float()

        def __call__(self, start, count):
            return stripes(super().labels(start, count), seed=9).float() / 127.5 - 1

    found = metric.score(Asked())
    assert list(found.values) == ["metric/accuracy"]
    assert found.values["metric/accuracy"] > 0.95


def test_a_weak_classifier_is_doubted():
    assert "is right on" in accuracy_on(Stripes(), train_kimg=0.1).notes[0]
    assert accuracy_on(Stripes()).notes == ()


def test_what_has_no_classes_is_refused():
    with pytest.raises(ConfigError, match="accuracy needs labels, and stripes has none"):
        accuracy_on(Stripes(labels=False))
    with pytest.raises(
        ConfigError, match="one class for each image, and stripes has several attributes"
    ):
        SmallByClass().prepare(Stripes(several=True), CPU)


class Held:
    """Held-out clothes with their classes, or with the classes of others."""

    def __init__(self, *, shift=0):
        found = FashionMini().load("test")
        mixed = torch.randperm(len(found), generator=torch.Generator().manual_seed(0))
        self.images, self.classes = found.images[mixed], (found.labels[mixed] + shift) % 10

    def __call__(self, start, count):
        return self.images[start : start + count].float() / 127.5 - 1

    def labels(self, start, count):
        return self.classes[start : start + count]


def test_mixed_up_classes_are_far_within_each_class_and_near_over_all():
    both = Metrics(
        [SmallFrechet(num_samples=900), SmallByClass(num_samples=900)], Conditions(num_reals=300)
    )
    both.prepare(FashionMini(), CPU)
    right, wrong = both.score(Held()), both.score(Held(shift=1))
    key = "metric/small_frechet_by_class"
    assert right["metric/small_frechet"].values == wrong["metric/small_frechet"].values
    assert wrong[key].values[key] > 5 * right[key].values[key]
    by_class = [value for name, value in right[key].values.items() if name != key]
    assert len(by_class) == 10
    assert right[key].values[key] == pytest.approx(sum(by_class) / 10)
    assert "metric/small_frechet_by_class/T-shirt-top" in right[key].values
    assert right[key].protocol["num_reals"] == 3000


def test_the_distance_within_a_class_is_that_of_the_class_alone():
    class OneClass:
        splits = ("train",)

        def load(self, split):
            found = FashionMini().load(split)
            kept = found.labels == 4
            return replace(
                found, images=found.images[kept], labels=None, classes=(), fingerprint="coats"
            )

    held = Held()
    coats = held.images[held.classes == 4]
    alone = SmallFrechet(num_samples=len(coats))
    alone.prepare(OneClass(), CPU)
    expected = alone.score(lambda at, n: coats[at : at + n].float() / 127.5 - 1)
    metric = SmallByClass(num_samples=len(held.images))
    metric.prepare(FashionMini(), CPU)
    found = metric.score(held).values["metric/small_frechet_by_class/Coat"]
    assert found == pytest.approx(expected.values["metric/small_frechet"], rel=1e-4)


def test_a_class_of_which_nothing_was_made_counts_not():
    metric = SmallByClass(num_samples=60)
    metric.prepare(FashionMini(), CPU, Conditions(num_reals=50))
    held = Held()
    held.classes = torch.zeros_like(held.classes)
    values = metric.score(held).values
    assert math.isfinite(values["metric/small_frechet_by_class"])
    assert math.isnan(values["metric/small_frechet_by_class/Coat"])
