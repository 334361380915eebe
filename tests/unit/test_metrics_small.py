"""metrics=small: its network, its values, and what every metric promises about a score."""

import json
import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from gan_lab.data.sets.fashion_mini import FashionMini
from gan_lab.metrics.small import SmallFrechet
from gan_lab.metrics.small_features import WEIGHTS, SmallFeatures
from gan_lab.metrics.small_network import to_small
from gan_lab.metrics.views import Conditions

CPU = torch.device("cpu")


def to_range(images):
    return images.float() / 127.5 - 1


@pytest.fixture(scope="module")
def reals():
    return FashionMini()


@pytest.fixture(scope="module")
def held_out(reals):
    """A sampler of the held-out images, well mixed."""
    images = reals.load("test").images
    mixed = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(0))]
    return lambda start, count: to_range(mixed[start : start + count])


def noise(start, count):
    images = torch.rand(start + count, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    return images[start:] * 2 - 1


def prepared(reals, **options):
    of_all = {key: options.pop(key) for key in ("num_reals", "batch_size") if key in options}
    metric = SmallFrechet(**{"num_samples": 1000, **options})
    metric.prepare(reals, CPU, Conditions(**of_all))
    return metric


def test_images_of_28_get_a_border_and_of_32_nothing():
    images = torch.full((2, 1, 28, 28), 255, dtype=torch.uint8)
    small = to_small(images)
    assert torch.equal(small[:, :, 2:30, 2:30], torch.ones(2, 1, 28, 28))
    assert float(small[:, :, :2].max()) == -1
    images = torch.arange(256, dtype=torch.uint8).repeat(4).view(1, 1, 32, 32)
    torch.testing.assert_close(to_small(images), to_range(images), rtol=0, atol=1e-6)


def test_other_sizes_are_resized_with_antialias_and_colours_become_luminance():
    images = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8)
    expected = F.interpolate(images.float(), (32, 32), mode="bilinear", antialias=True)
    torch.testing.assert_close(to_small(images), expected / 127.5 - 1)
    red = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    red[:, 0] = 200
    torch.testing.assert_close(to_small(red).mean(), torch.tensor(0.299 * 200 / 127.5 - 1))
    grey = torch.full((1, 1, 32, 32), 77, dtype=torch.uint8)
    torch.testing.assert_close(to_small(grey.expand(-1, 3, -1, -1)), to_small(grey))


@pytest.mark.parametrize("shape", [(1, 2, 32, 32), (3, 32, 32)])
def test_images_of_another_kind_are_refused(shape):
    with pytest.raises(ValueError, match="expected uint8 images"):
        to_small(torch.zeros(shape, dtype=torch.uint8))
    with pytest.raises(ValueError, match="expected uint8 images"):
        to_small(torch.zeros(1, 1, 32, 32))


def test_the_shipped_classifier_is_small_and_right_on_unseen_images(reals):
    assert WEIGHTS.stat().st_size < 400_000
    unseen = reals.load("test")
    named = SmallFeatures().classify(unseen.images)
    assert named.dtype == torch.int64
    assert set(named.tolist()) == set(range(10))
    assert float((named == unseen.labels).float().mean()) > 0.9


def test_features_do_not_depend_on_autocast_or_the_precision_of_products():
    extractor = SmallFeatures()
    images = torch.randint(0, 256, (4, 1, 32, 32), dtype=torch.uint8)
    plain = extractor.features(images)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            reduced = extractor.features(images)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert plain.dtype == reduced.dtype == torch.float32
    assert torch.equal(plain, reduced)
    assert not plain.requires_grad


def test_reals_are_near_and_noise_is_far(reals, held_out):
    metric = prepared(reals)
    near = metric.score(held_out).values["metric/small_frechet"]
    far = metric.score(noise).values["metric/small_frechet"]
    assert 0 < near < 1
    assert far > 30


def test_the_value_does_not_depend_on_the_batch_size(reals, held_out):
    values = [
        prepared(reals, batch_size=size).score(held_out).values["metric/small_frechet"]
        for size in (1000, 64, 17)
    ]
    assert values == pytest.approx([values[0]] * 3, rel=1e-6)


def test_a_score_is_plain_numbers_with_its_protocol(reals, held_out):
    score = prepared(reals, num_reals=500).score(held_out)
    assert list(score.values) == ["metric/small_frechet"]
    assert type(score.values["metric/small_frechet"]) is float
    assert type(score.seconds) is float
    protocol = json.loads(json.dumps(score.protocol))
    assert protocol == score.protocol
    assert protocol["num_reals"] == 500
    assert protocol["reals"] == "a fixed subset of 10000"
    assert protocol["num_samples"] == 1000
    assert protocol["split"] == "train"
    assert protocol["data"] == "fashion_mini"
    assert len(protocol["weights_sha256"]) == 64
    assert "bilinear, antialiased, to 32" in protocol["resize"]


def test_scoring_and_preparing_leave_every_random_state(reals):
    torch.manual_seed(3)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    threads = torch.get_num_threads()

    def careless(start, count):
        return torch.rand(count, 1, 32, 32)

    metric = prepared(reals, num_samples=200, num_reals=200)
    metric.estimate_seconds(careless)
    metric.score(careless)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])
    assert torch.get_num_threads() == threads


def test_a_cancelled_evaluation_gives_none_between_two_batches_and_the_next_is_whole(
    reals, held_out
):
    metric = prepared(reals, num_samples=100, batch_size=20)
    whole = metric.score(held_out).values
    asked = []

    def cancelled():
        asked.append(True)
        return len(asked) > 3

    drawn = []

    def counting(start, count):
        drawn.append(count)
        return held_out(start, count)

    assert metric.score(counting, cancelled) is None
    assert drawn == [20, 20, 20]
    assert metric.score(held_out).values == whole


def test_images_that_are_not_finite_give_nan(reals):
    metric = prepared(reals, num_samples=20, num_reals=100)
    score = metric.score(lambda start, count: torch.full((count, 1, 32, 32), math.nan))
    assert math.isnan(score.values["metric/small_frechet"])


class Readings(TorchDispatchMode):
    """Counts how often a value is read from the device, where a GPU would be waited for."""

    count = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        name = function.__name__.split(".")[0]
        self.count += name in ("_local_scalar_dense", "nonzero", "masked_select", "equal")
        return function(*arguments, **(options or {}))


def test_no_batch_reads_a_value_from_the_device(reals, held_out):
    counts = []
    for size in (200, 20):  # one batch, ten batches
        metric = prepared(reals, num_samples=200, batch_size=size)
        with Readings() as readings:
            metric.score(held_out)
        counts.append(readings.count)
    assert counts[0] == counts[1] > 0


def test_one_image_among_many_that_is_not_finite_gives_nan(reals, held_out):
    metric = prepared(reals, num_samples=100, batch_size=20)

    def broken(start, count):
        images = held_out(start, count)
        if start == 40:
            images[3, 0, 5, 5] = math.inf
        return images

    assert math.isnan(metric.score(broken).values["metric/small_frechet"])
    assert math.isfinite(metric.score(held_out).values["metric/small_frechet"])


def test_fewer_images_than_features_are_compared_exactly(reals, held_out):
    """Against torchmetrics' own eigenvalues, which are good to 1e-6 there."""
    for options in ({"num_samples": 100}, {"num_samples": 100, "num_reals": 90}):
        metric = prepared(reals, **options)
        score = metric.score(held_out)
        theirs = float(metric.frechet.metric.compute())
        assert score.values["metric/small_frechet"] == pytest.approx(theirs, rel=1e-5)
        assert score.protocol["distance"].endswith("trace term by the centred features")


def test_images_outside_the_range_are_clamped_not_wrapped(reals):
    metric = prepared(reals, num_samples=20, num_reals=100)
    white = metric.score(lambda start, count: torch.ones(count, 1, 32, 32)).values
    beyond = metric.score(lambda start, count: torch.full((count, 1, 32, 32), 1.02)).values
    assert white == beyond


def test_the_time_is_estimated_before(reals, held_out):
    metric = prepared(reals, num_samples=500)
    assert 0 < metric.estimate_seconds(held_out) < 60


def test_too_few_images_are_told(reals):
    few = prepared(reals, num_samples=100, num_reals=60)
    assert "small_frechet: 100 generated images are fewer than the 128 features" in few.notes[0]
    assert "60 reals are fewer" in few.notes[1]
    assert prepared(reals, num_samples=200).notes == ()
    more = prepared(reals, num_reals=20_000)
    assert "has 10,000 reals, all are used" in more.notes[0]
    assert more.protocol["num_reals"] == 10_000


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_value_of_the_cpu_even_under_tf32(reals, held_out):
    expected = prepared(reals).score(held_out).values["metric/small_frechet"]
    cuda = torch.device("cuda", torch.cuda.current_device())
    torch.set_float32_matmul_precision("high")
    try:
        before = torch.cuda.get_rng_state(cuda)
        metric = SmallFrechet(num_samples=1000)
        metric.prepare(reals, cuda)
        for _ in range(2):
            score = metric.score(lambda start, count: held_out(start, count).to(cuda))
            assert score.values["metric/small_frechet"] == pytest.approx(expected, rel=1e-4)
        metric.estimate_seconds(lambda start, count: torch.rand(count, 1, 32, 32, device=cuda))
        assert torch.equal(torch.cuda.get_rng_state(cuda), before)
    finally:
        torch.set_float32_matmul_precision("highest")


def test_colour_images_bring_a_doubt(reals):
    class Coloured:
        splits = ("train",)

        def load(self, split):
            grey = reals.load("test")
            return replace(grey, images=grey.images[:200].expand(-1, 3, -1, -1), fingerprint="c")

    doubt = (
        "learned on grey clothes and see no colour, so it means little here; look at the samples."
    )
    assert not any(note.endswith(doubt) for note in prepared(reals).notes)
    assert prepared(Coloured()).notes[-1].endswith(doubt)
