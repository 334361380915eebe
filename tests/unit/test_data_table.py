"""Tables of named columns, several of them side by side, balanced orders and labels for a few rows."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import pytest
import torch

from gan_lab.common.errors import ConfigError, DataError
from gan_lab.data.columns import Column, Pixels
from gan_lab.data.image_set import ImageSet
from gan_lab.data.stream.labelled import few_labels
from gan_lab.data.stream.limited import few_rows
from gan_lab.data.stream.sampler import Batches, fitting_batch
from gan_lab.data.stream.together import Together, batches_of
from gan_lab.data.table import SideBySide, Table
from gan_lab.media.images import to_uint8

CPU = torch.device("cpu")


def numbered(count, *, name="numbered", labels=None, beside=None):
    """Images that hold their number at the left and 255 at the right."""
    images = torch.zeros(count, 1, 8, 8, dtype=torch.uint8)
    images[..., 0] = torch.arange(count, dtype=torch.uint8)[:, None, None]
    images[..., -1] = 255
    return ImageSet(name, "train", images, labels, ("a", "b", "c"), "f", beside=beside or {})


def taken(data, count, **options):
    settings = {"batch_size": 8, "seed": 0, "flip": False, "device": CPU, **options}
    return list(itertools.islice(batches_of(data, **settings), count))


def numbers(images):
    rows = to_uint8(images)[:, 0, 0]
    return torch.where(rows[:, 0] == 255, rows[:, -1], rows[:, 0]).tolist()


class Rows(Table):
    """A table without images."""

    name, split, classes, fingerprint, notes = "rows", "train", (), "f", ()

    def __init__(self, **values):
        self.values = {name: Column(value) for name, value in values.items()}

    @property
    def columns(self):
        return self.values


def test_columns_of_any_kind_come_row_by_row_as_they_are_stored():
    tokens, numbers_ = torch.arange(60).view(20, 3), torch.rand(20, 2)
    for batch in taken(Rows(tokens=tokens, rows=numbers_), 6, flip=True):
        rows = batch["tokens"][:, 0] // 3
        assert torch.equal(batch["tokens"], tokens[rows])
        assert torch.equal(batch["rows"], numbers_[rows])
        assert batch["tokens"].dtype == torch.int64
    assert Rows(tokens=tokens).sentences() == ["rows (train): 20 records"]
    with pytest.raises(DataError, match="20 records are fewer than one batch of 32"):
        taken(Rows(tokens=tokens), 1, batch_size=32)


def test_a_partner_is_mirrored_with_its_image():
    left = numbered(40)
    pairs = replace(left, beside={"partner": Pixels(255 - left.images)})
    mirrored = set()
    for batch in taken(pairs, 10, flip=True):
        assert torch.allclose(batch["images"], -batch["partner"])
        mirrored |= set((to_uint8(batch["images"])[:, 0, 0, 0] == 255).tolist())
    assert mirrored == {True, False}


def side_by_side():
    return SideBySide("two", "train", {"a": numbered(30), "b": numbered(50)})


def test_streams_side_by_side_have_names_and_epochs_of_their_own():
    batches = taken(side_by_side(), 75)
    assert set(batches[0]) == {"images_a", "images_b"}
    for name, size in (("images_a", 30), ("images_b", 50)):
        seen = [number for batch in batches for number in numbers(batch[name])]
        for start in range(0, len(seen), size):
            assert sorted(seen[start : start + size]) == list(range(size))
    both = [(numbers(b["images_a"]), numbers(b["images_b"])) for b in batches]
    assert both[0][0] != both[0][1]


def test_a_stream_keeps_its_order_whatever_runs_beside_it():
    alone = Batches(numbered(30), stream="a", batch_size=8, seed=0, flip=True, device=CPU)
    for one, both in zip(alone, taken(side_by_side(), 20, flip=True), strict=False):
        assert torch.equal(one["images_a"], both["images_a"])


@pytest.mark.parametrize("seen", [8, 24, 48, 400])
def test_streams_resume_exactly_from_the_images_seen(seen):
    whole = taken(side_by_side(), seen // 8 + 5, flip=True)[seen // 8 :]
    for one, again in zip(whole, taken(side_by_side(), 5, flip=True, start=seen), strict=True):
        assert all(torch.equal(one[name], again[name]) for name in one)


def test_ranks_divide_every_stream():
    whole = taken(side_by_side(), 5, flip=True)
    halves = [taken(side_by_side(), 5, flip=True, rank=rank, ranks=2) for rank in (0, 1)]
    for index, batch in enumerate(whole):
        for name, images in batch.items():
            assert torch.equal(images, torch.cat([half[index][name] for half in halves]))


def test_side_by_side_is_one_set_to_everybody_else():
    two = side_by_side()
    assert len(two) == 30 == fitting_batch(two, 30)
    assert fitting_batch(two, 64) == 16
    assert two.images is two.tables["b"].images
    assert len(two.sentences()) == 2
    other = SideBySide(
        "two", "train", {"a": two.tables["a"], "b": replace(numbered(50), fingerprint="g")}
    )
    assert other.fingerprint != two.fingerprint
    assert isinstance(batches_of(two, batch_size=8, seed=0, flip=False, device=CPU), Together)


def unequal():
    """40 of class 0, 15 of class 1, 3 of class 2."""
    return numbered(58, labels=torch.tensor([0] * 40 + [1] * 15 + [2] * 3))


def test_balanced_batches_show_each_class_equally_often():
    batches = taken(unequal(), 60, balance=True, batch_size=9)
    for batch in batches:
        assert batch["labels"].bincount().tolist() == [3, 3, 3]
    blocks = -(-58 // 3)
    epoch = [n for batch in batches for n in numbers(batch["images"])][: 3 * blocks]
    counts = Counter(epoch)
    assert {counts[n] for n in range(40)} == {0, 1}
    assert {counts[n] for n in range(40, 55)} == {1, 2}
    assert {counts[n] for n in range(55, 58)} == {6, 7}


def test_balanced_batches_resume_and_reach_every_image():
    whole = torch.cat([b["images"] for b in taken(unequal(), 50, balance=True, flip=True)])
    later = torch.cat(
        [b["images"] for b in taken(unequal(), 10, balance=True, flip=True, start=160)]
    )
    assert torch.equal(whole[160:240], later)
    long = torch.cat([b["images"] for b in taken(unequal(), 200, balance=True, flip=True)])
    assert set(numbers(long)) == set(range(58))
    other = torch.cat([b["images"] for b in taken(unequal(), 50, balance=True, flip=True, seed=1)])
    assert not torch.equal(whole, other)


def test_only_classes_can_be_balanced():
    for data in (numbered(20), numbered(20, labels=torch.zeros(20, 2))):
        with pytest.raises(ConfigError, match="data=numbered has no classes"):
            taken(data, 1, balance=True)


def test_a_few_labels_are_balanced_and_drawn_from_the_seed():
    table = unequal()
    few = few_labels(table, 12, seed=0)
    kept = few.labels >= 0
    assert kept.sum() == 12
    assert torch.equal(few.labels[kept], table.labels[kept])
    assert few.labels[kept].bincount().tolist() == [5, 4, 3] or few.labels[
        kept
    ].bincount().tolist() == [4, 5, 3]
    assert torch.equal(few.labels, few_labels(table, 12, seed=0).labels)
    assert not torch.equal(few.labels, few_labels(table, 12, seed=1).labels)
    assert (table.labels >= 0).all(), "the set's own labels stay"
    assert few.images is table.images
    assert few.fingerprint == table.fingerprint
    assert few.sentences()[1].startswith("Only 12 of 58 images have a label. 3 classes: a (")


@pytest.mark.parametrize("number", [2, 59])
def test_a_number_of_labels_that_does_not_fit_is_refused(number):
    with pytest.raises(ConfigError, match="3 classes and 58 images"):
        few_labels(unequal(), number, seed=0)


def test_labels_of_a_few_need_classes():
    with pytest.raises(ConfigError, match="data=numbered has no classes"):
        few_labels(numbered(20), 5, seed=0)


def test_a_few_rows_are_of_the_set_with_all_that_stands_beside_and_part_of_more():
    labels = torch.arange(60) % 3
    table = numbered(60, labels=labels, beside={"number": Column(torch.arange(60))})
    few, more = (few_rows(table, number, seed=4) for number in (7, 20))
    rows = few.beside["number"].values
    assert len({*rows.tolist()}) == len(few) == 7
    assert {*rows.tolist()} < {*more.beside["number"].values.tolist()}
    assert torch.equal(few.images, table.images[rows])
    assert torch.equal(few.labels, labels[rows])
    assert "7 of 60 images, drawn by seed=4." in few.sentences()[-1]
    other = few_rows(table, 7, seed=5)
    assert len({few.fingerprint, other.fingerprint, more.fingerprint, table.fingerprint}) == 4
    assert few_rows(table, 7, seed=4).fingerprint == few.fingerprint
    both = few_rows(SideBySide("two", "train", {"a": table, "b": numbered(9)}), 5, seed=0)
    assert [len(one) for one in both.tables.values()] == [5, 5]
    with pytest.raises(
        ConfigError, match=r"^data\.limit=61: data=numbered \(train\) has 60 images"
    ):
        few_rows(table, 61, seed=0)
