"""The Frechet distance against SciPy, torchmetrics and the singular values of the features."""

import math

import pytest
import scipy.linalg
import torch

from gan_lab.metrics import frechet
from gan_lab.metrics.distances import Frechet
from gan_lab.metrics.frechet import Gaussian, frechet_distance, trace_of_root
from gan_lab.metrics.statistics import Statistics

CPU = torch.device("cpu")


def features(count, dim, seed):
    """Correlated and skewed, as of a trained network: some directions 20 times as wide as others."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(dim, dim, generator=torch.Generator().manual_seed(99)) / dim**0.5
    scale = torch.linspace(0, -3, dim).exp()
    return ((torch.randn(count, dim, generator=generator) + seed / 9) * scale) @ mix.relu()


def statistics(rows, *, keep=True):
    exact = rows.double()
    kept = rows if keep and len(rows) <= rows.shape[1] else rows[:0]
    return Statistics(len(rows), exact.sum(0), exact.T @ exact, kept)


def distance(real, fake, batch=64):
    found = Frechet(statistics(real), CPU)
    for part in fake.split(batch):
        found.add(part)
    return found


def by_scipy(real, fake):
    real, fake = real.double(), fake.double()
    first, second = real.T.cov().numpy(), fake.T.cov().numpy()
    apart = float((real.mean(0) - fake.mean(0)).square().sum())
    root = scipy.linalg.sqrtm(first @ second).real
    return apart + first.trace() + second.trace() - 2 * root.trace()


def spread(rows):
    rows = rows.double()
    return (rows - rows.mean(0)) / (len(rows) - 1) ** 0.5


def by_singular_values(real, fake):
    """The exact form: Tr (C C')^(1/2) is the sum of the singular values of X X'^T."""
    x, y = spread(real), spread(fake)
    apart = (real.double().mean(0) - fake.double().mean(0)).square().sum()
    product = torch.linalg.svdvals(x @ y.T).sum()
    return float(apart + x.square().sum() + y.square().sum() - 2 * product)


@pytest.mark.parametrize("dim", [64, 300])  # 300: more than a block of columns, and not a whole one
def test_full_rank_equals_scipy_and_torchmetrics(dim):
    real, fake = features(3 * dim, dim, 1), features(2 * dim, dim, 2)
    found = distance(real, fake)
    value = found.compute()
    assert value == pytest.approx(by_scipy(real, fake), rel=1e-8)
    assert value == pytest.approx(float(found.metric.compute()), rel=1e-8)  # torchmetrics' own
    assert value == pytest.approx(by_singular_values(real, fake), rel=1e-8)


@pytest.mark.slow
def test_2048_features_equal_scipy_and_torchmetrics():
    real, fake = features(5000, 2048, 1), features(4000, 2048, 2)
    found = distance(real, fake)
    value = found.compute()
    assert value == pytest.approx(by_scipy(real, fake), rel=1e-8)
    assert value == pytest.approx(float(found.metric.compute()), rel=1e-8)


@pytest.mark.slow
def test_2048_features_of_500_images_equal_the_singular_values():
    few, many = features(500, 2048, 1), features(4000, 2048, 2)
    for real, fake in ((few, many), (many, few), (few, features(400, 2048, 3))):
        expected = by_singular_values(real, fake)
        assert distance(real, fake).compute() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("reals", "fakes"), [(40, 500), (500, 40), (40, 50), (50, 40), (128, 128), (128, 129), (2, 2)]
)
def test_fewer_images_than_features_on_either_side_or_both(reals, fakes):
    real, fake = features(reals, 128, 1), features(fakes, 128, 2)
    found = distance(real, fake).compute()
    assert found == pytest.approx(by_singular_values(real, fake), rel=1e-8)


@pytest.mark.parametrize("count", [20, 64, 65, 200])
def test_identical_sets_have_no_distance(count):
    rows = features(count, 64, 1)
    variance = float(rows.double().var(dim=0).sum())
    assert abs(distance(rows, rows).compute()) < 1e-8 * variance
    # Without the rows, as of sums alone, a singular covariance is still no trouble.
    sums = Gaussian(statistics(rows, keep=False))
    assert abs(float(frechet_distance(sums, sums))) < 1e-6 * variance


@pytest.mark.parametrize("count", [40, 300])
def test_neither_order_nor_batch_size_nor_side_matters(count):
    real, fake = features(200, 64, 1), features(count, 64, 2)
    value = distance(real, fake).compute()
    mixed = fake[torch.randperm(count, generator=torch.Generator().manual_seed(0))]
    for other in (distance(real, fake, 7), distance(real, mixed, count), distance(fake, real)):
        assert other.compute() == pytest.approx(value, rel=1e-10)


def test_a_feature_that_never_moves_defeats_cholesky_and_changes_nothing():
    real, fake = features(400, 96, 1), features(300, 96, 2)
    real[:, 10:30] = 0.5
    gaussian = Gaussian(statistics(real))
    assert int(torch.linalg.cholesky_ex(gaussian.covariance)[1]) > 0
    root = gaussian.root
    assert torch.equal(root, root.tril())
    torch.testing.assert_close(root @ root.T, gaussian.covariance, rtol=0, atol=1e-12)
    expected = by_singular_values(real, fake)
    assert distance(real, fake).compute() == pytest.approx(expected, rel=1e-8)
    assert distance(fake, real).compute() == pytest.approx(expected, rel=1e-8)


def test_images_repeated_past_the_number_of_features_are_still_few():
    real, fake = features(30, 64, 1).repeat(4, 1), features(300, 64, 2)
    assert not Gaussian(statistics(real)).few
    expected = by_singular_values(real, fake)
    assert distance(real, fake).compute() == pytest.approx(expected, rel=1e-7)


def test_what_is_derived_from_the_reals_is_computed_once(monkeypatch):
    factored = []
    cholesky = torch.linalg.cholesky_ex
    monkeypatch.setattr(
        frechet.torch.linalg, "cholesky_ex", lambda c: factored.append(c) or cholesky(c)
    )
    found = distance(features(200, 32, 1), features(100, 32, 2))
    first = found.compute()
    for _ in range(2):
        found.reset()
        found.add(features(100, 32, 2))
        assert found.compute() == pytest.approx(first, rel=1e-12)
    assert len(factored) == 1


def test_features_of_fakes_are_kept_only_while_they_are_few():
    found = Frechet(statistics(features(100, 8, 1)), CPU)
    found.add(features(5, 8, 2))
    assert sum(map(len, found.rows)) == 5
    found.add(features(4, 8, 2))
    assert found.rows == []
    found.add(features(2, 8, 2))
    assert found.rows == []
    found.reset()
    found.add(features(5, 8, 2))
    assert sum(map(len, found.rows)) == 5


@pytest.mark.parametrize("fakes", [5, 40])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_features_that_are_not_finite_give_nan_on_either_side(fakes, bad):
    real, fake = features(100, 16, 1), features(fakes, 16, 2)
    fake[3, 3] = bad
    assert math.isnan(distance(real, fake).compute())
    assert math.isnan(distance(fake, real).compute())


def test_the_trace_is_that_of_the_product_of_diagonal_covariances():
    ones = torch.zeros(4, dtype=torch.float64)
    first, second = torch.tensor([1.0, 4, 9, 16]).double(), torch.tensor([25.0, 4, 1, 0]).double()
    gaussians = [
        Gaussian(Statistics(2, ones, torch.diag(v), ones[:0, None])) for v in (first, second)
    ]
    assert float(trace_of_root(*gaussians)) == pytest.approx(5 + 4 + 3)


def test_the_protocol_says_which_form_was_used():
    many = Frechet(statistics(features(100, 16, 1)), CPU)
    assert many.method(17).endswith("trace term by Cholesky and symmetric eigenvalues")
    assert many.method(16).endswith("trace term by the centred features")
    few = Frechet(statistics(features(10, 16, 1)), CPU)
    assert few.method(5000).endswith("trace term by the centred features")
    assert few.method(5000).startswith("float64; sums by torchmetrics ")
