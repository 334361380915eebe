"""Precision, recall, density and coverage against loops; the Inception Score against its formula."""

import math

import pytest
import torch

from gan_lab.common.errors import ConfigError, DataError, WeightsError
from gan_lab.data.sets.fashion_mini import FashionMini
from gan_lab.metrics.fid import Fid
from gan_lab.metrics.inception import InceptionFeatures
from gan_lab.metrics.inception_score import CLASSES, InceptionScore
from gan_lab.metrics.neighbours import neighbourhood
from gan_lab.metrics.precision_recall import PrecisionRecall
from gan_lab.metrics.views import Conditions, Fakes

CPU = torch.device("cpu")


def drawn(count, dim, seed, *, off=0.0):
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)) + off


def by_loops(reals, fakes, k):
    """The definitions, point by point."""

    def radius(points, index):
        apart = sorted(
            math.dist(points[index], other) for at, other in enumerate(points) if at != index
        )
        return apart[k - 1]

    reals, fakes = reals.double().tolist(), fakes.double().tolist()
    real_radii = [radius(reals, i) for i in range(len(reals))]
    fake_radii = [radius(fakes, i) for i in range(len(fakes))]
    inside = [[math.dist(f, r) <= real_radii[i] for i, r in enumerate(reals)] for f in fakes]
    precision = sum(map(any, inside)) / len(fakes)
    recall = sum(
        any(math.dist(f, r) <= fake_radii[j] for j, f in enumerate(fakes)) for r in reals
    ) / len(reals)
    density = sum(map(sum, inside)) / (k * len(fakes))
    coverage = sum(any(row[i] for row in inside) for i in range(len(reals))) / len(reals)
    return precision, recall, density, coverage


@pytest.mark.parametrize(("k", "off"), [(1, 0.0), (3, 0.0), (3, 1.0), (5, 0.4)])
def test_the_four_shares_equal_the_definitions(k, off):
    reals, fakes = drawn(40, 3, 0), drawn(30, 3, 1, off=off)
    found = neighbourhood(reals, fakes, k=k)
    assert tuple(found) == pytest.approx(by_loops(reals, fakes, k), abs=1e-12)


def test_points_far_from_zero_do_not_lose_their_distances():
    reals, fakes = drawn(40, 3, 0), drawn(30, 3, 1)
    near, far = neighbourhood(reals, fakes, k=3), neighbourhood(reals + 500, fakes + 500, k=3)
    assert tuple(near) == pytest.approx(tuple(far), abs=0.02)


def test_one_image_repeated_is_precise_and_recalls_nothing():
    source = FashionMini()
    metric = PrecisionRecall(num_samples=300)
    metric.prepare(source, CPU)
    held = source.load("test").images
    mixed = held[torch.randperm(len(held), generator=torch.Generator().manual_seed(0))]
    good = metric.score(lambda at, n: mixed[at : at + n].float() / 127.5 - 1)
    noise = metric.score(lambda at, n: drawn(n, 1024, at).view(n, 1, 32, 32).clamp(-1, 1))
    real = source.load("train").images[:1].float() / 127.5 - 1
    same = metric.score(lambda _, n: real.expand(n, -1, -1, -1))
    assert list(good.values) == [
        "metric/precision",
        "metric/recall",
        "metric/density",
        "metric/coverage",
    ]
    assert min(good.values["metric/precision"], good.values["metric/recall"]) > 0.7
    assert max(noise.values["metric/precision"], noise.values["metric/coverage"]) < 0.05
    assert same.values["metric/recall"] < 0.05
    assert good.protocol["higher_is_better"] is True
    assert good.protocol["neighbours"] == 3
    assert good.protocol["num_reals"] == 300


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="features=vgg: must be one of small, inception"):
        PrecisionRecall(features="vgg")
    with pytest.raises(ConfigError, match="neighbours=9: must lie in"):
        PrecisionRecall(num_samples=9, neighbours=9)
    with pytest.raises(DataError, match="3 reals have no 3 neighbours"):
        PrecisionRecall(num_samples=9).prepare(FashionMini(), CPU, Conditions(num_reals=3))
    assert PrecisionRecall(features="inception").key == "metric/precision_inception"


def stub(head):
    """An extractor that has a head and was never built."""
    found = InceptionFeatures.__new__(InceptionFeatures)
    found.device, found.dim, found.head = CPU, 2048, head
    found.weights, found.sha256, found.resize = "stub", "0", "none"
    return found


class Holding:
    def __init__(self, extractor):
        self.held = extractor

    def extractor(self, metric):
        del metric
        return self.held


@pytest.mark.parametrize("splits", [1, 4])
def test_the_inception_score_is_its_formula(splits):
    head = drawn(CLASSES, 2048, 0) / 20
    metric = InceptionScore(num_samples=64, splits=splits)
    metric.look_at(Holding(stub(head)))
    features = drawn(64, 2048, 1).relu()
    metric.reset()
    for part in features.split(20):
        metric.add(Fakes(part, part, None))
    found = metric.compute()["metric/inception_score"]
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    scores = []
    for part in (features[order].double() @ head.T.double()).softmax(dim=1).chunk(splits):
        divergence = (part * (part.log() - part.mean(dim=0).log())).sum(dim=1)
        scores.append(float(divergence.mean().exp()))
    assert found == pytest.approx(sum(scores) / splits, rel=1e-4)
    assert metric.compute()["metric/inception_score"] == found


def test_the_inception_score_shares_the_pass_of_an_fid_and_says_what_it_lacks():
    assert InceptionScore().extractor_key == Fid().extractor_key
    assert InceptionScore(resize="antialias").extractor_key != Fid().extractor_key
    with pytest.raises(WeightsError, match=r"no last layer .* or metrics=small"):
        InceptionScore().look_at(Holding(stub(None)))
    assert InceptionScore.lower_is_better is False
    with pytest.raises(WeightsError, match="No Inception weights"):
        InceptionScore(num_samples=16).prepare(FashionMini(), CPU)
