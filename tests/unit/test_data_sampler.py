"""The stream of batches: a pure function of the seed and the images seen."""

from __future__ import annotations

import itertools

import pytest
import torch

from gan_lab.common.errors import ConfigError, DataError
from gan_lab.data.image_set import ImageSet
from gan_lab.data.stream.sampler import Batches
from gan_lab.data.stream.stretch import Stretches
from gan_lab.media.images import to_uint8

CPU = torch.device("cpu")


def numbered(count=50, labels=True):
    """Images whose first pixel is their number and whose last pixel of the first row is 200."""
    images = torch.zeros(count, 1, 8, 8, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(count)
    images[:, 0, 0, -1] = 200
    return ImageSet(
        name="numbered",
        split="train",
        images=images,
        labels=torch.arange(count) * 3 if labels else None,
        classes=(),
        fingerprint="f",
    )


def stream(count, images=None, **options):
    settings = {"batch_size": 8, "seed": 0, "flip": False, "device": CPU, **options}
    return list(itertools.islice(Batches(images or numbered(), **settings), count))


def numbers(batch):
    """The images' numbers, whichever way they are mirrored."""
    pixels = to_uint8(batch["images"])[:, 0, 0, :]
    return torch.where(pixels[:, 0] == 200, pixels[:, -1], pixels[:, 0]).tolist()


def flipped(batch):
    return (to_uint8(batch["images"])[:, 0, 0, 0] == 200).tolist()


def test_each_epoch_is_a_permutation():
    seen = [number for batch in stream(25) for number in numbers(batch)]  # 200 = 4 epochs of 50
    epochs = [seen[i : i + 50] for i in range(0, 200, 50)]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_labels_follow_their_images():
    for batch in stream(10, flip=True):
        assert batch["labels"].tolist() == [3 * number for number in numbers(batch)]
        assert batch["labels"].dtype == torch.int64
    assert "labels" not in stream(1, numbered(labels=False))[0]


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("start", [8, 48, 56, 200, 13])
def test_resuming_equals_going_straight_on(flip, start):
    whole = torch.cat([batch["images"] for batch in stream(40, flip=flip)])
    resumed = torch.cat([batch["images"] for batch in stream(5, flip=flip, start=start)])
    assert torch.equal(resumed, whole[start : start + 40])


def test_the_stream_does_not_depend_on_the_batch_size():
    small = torch.cat([batch["images"] for batch in stream(30, flip=True, batch_size=4)])
    large = torch.cat([batch["images"] for batch in stream(10, flip=True, batch_size=12)])
    assert torch.equal(small, large)


def test_iterating_twice_gives_the_same():
    batches = Batches(numbered(), batch_size=8, seed=0, flip=True, start=40, device=CPU)
    first, second = (list(itertools.islice(batches, 9)) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a["images"], b["images"])


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_share_out_each_batch(ranks):
    whole = stream(20, flip=True)
    parts = [stream(20, flip=True, rank=rank, ranks=ranks) for rank in range(ranks)]
    for index, batch in enumerate(whole):
        joined = torch.cat([part[index]["images"] for part in parts])
        assert torch.equal(joined, batch["images"])


def test_half_of_the_images_are_mirrored_anew_each_epoch():
    batches = stream(250, flip=True)  # 40 epochs
    mirrored = [(n, f) for batch in batches for n, f in zip(numbers(batch), flipped(batch))]
    assert 0.46 < sum(f for _, f in mirrored) / len(mirrored) < 0.54
    assert {f for n, f in mirrored if n == 7} == {True, False}
    assert not any(flag for batch in stream(25) for flag in flipped(batch))
    again = [flag for batch in stream(250, flip=True) for flag in flipped(batch)]
    assert again == [f for _, f in mirrored]


def test_flipping_does_not_change_the_order():
    plain, mirrored = stream(20), stream(20, flip=True)
    assert [numbers(batch) for batch in plain] == [numbers(batch) for batch in mirrored]


def test_seeds_differ_even_where_their_low_bits_agree():
    orders = {tuple(numbers(stream(1, seed=seed)[0])) for seed in (0, 1, 2**32, 2**32 + 1, -1)}
    assert len(orders) == 5


def test_every_level_comes_back_and_the_range_is_exact():
    levels = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1).expand(256, 1, 8, 8)
    images = ImageSet("levels", "train", levels.contiguous(), None, (), "f")
    (batch,) = stream(1, images, batch_size=256)
    assert batch["images"].dtype == torch.float32
    assert batch["images"].min() == -1.0
    assert batch["images"].max() == 1.0
    found = to_uint8(batch["images"])
    assert torch.equal(found[:, 0, 0, 0].sort().values, levels[:, 0, 0, 0])
    expected = found.double() / 127.5 - 1
    torch.testing.assert_close(batch["images"].double(), expected, atol=2e-7, rtol=0)


def test_batches_do_not_change_the_set():
    images = numbered()
    before = images.images.clone()
    for batch in stream(10, images, flip=True):
        batch["images"].zero_()
    assert torch.equal(images.images, before)


def test_a_set_smaller_than_a_batch_is_refused():
    with pytest.raises(DataError, match="data=numbered: 50 images are fewer than one batch of 64"):
        stream(1, batch_size=64)
    (batch,) = stream(1, batch_size=50)
    assert sorted(numbers(batch)) == list(range(50))


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(ConfigError, match=r"data.batch_size=8: not a multiple of the 3 processes"):
        stream(1, ranks=3)


@pytest.mark.parametrize(
    ("value", "level"),
    [(-1.0, 0), (1.0, 255), (1.004, 255), (-1.01, 0), (0.9999, 255), (0.0, 128), (5.0, 255)],
)
def test_to_uint8_rounds_and_clamps(value, level):
    assert to_uint8(torch.tensor([value])).item() == level


@pytest.mark.gpu
@pytest.mark.parametrize("place", ["cuda", "cpu"])
def test_a_gpu_sees_the_same_stream(place):
    device = torch.device("cuda")
    gpu = stream(20, flip=True, device=device, place=place)
    for here, there in zip(stream(20, flip=True), gpu, strict=True):
        assert there["images"].device.type == "cuda"
        assert torch.equal(here["images"], there["images"].cpu())
        assert torch.equal(here["labels"], there["labels"].cpu())


def test_a_stretch_fetched_ahead_takes_no_batch_from_the_stream():
    stretches = iter(Stretches(itertools.count(), rounds=3))
    now, following = next(stretches), next(stretches)  # as Lightning fetches them
    assert next(now) == 0
    assert list(now) == [1, 2]
    assert list(following) == [3, 4, 5]
    assert list(next(stretches)) == [6, 7, 8]


def growing_sizes(images_seen):
    """Batches of 4, from 20 images on of 12, from 60 on of 8."""
    return 4 if images_seen < 20 else 12 if images_seen < 60 else 8


@pytest.mark.parametrize("place", ["cpu", "sent", "resident"])
def test_batches_may_change_their_size_and_stay_the_same_stream(place, monkeypatch):
    way = {"cpu": "_on_host", "sent": "_sent", "resident": "_from_device"}[place]
    monkeypatch.setattr(Batches, "__iter__", lambda self: getattr(self, way)())
    plain = [number for batch in stream(20) for number in numbers(batch)]
    found = [numbers(batch) for batch in stream(14, sizes=growing_sizes)]
    assert [len(batch) for batch in found] == [4] * 5 + [12] * 4 + [8] * 5
    assert [n for batch in found for n in batch] == plain[: sum(map(len, found))]
    assert [numbers(batch) for batch in stream(8, sizes=growing_sizes, start=32)] == found[6:]
    halves = [
        [numbers(batch) for batch in stream(14, sizes=growing_sizes, rank=rank, ranks=2)]
        for rank in (0, 1)
    ]
    assert [one + other for one, other in zip(*halves, strict=True)] == found
