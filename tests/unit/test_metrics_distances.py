"""Distances against closed forms and independent arithmetic in NumPy and SciPy."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch

from gan_lab.metrics.distances import Frechet, Kernel
from gan_lab.metrics.statistics import Statistics

CPU = torch.device("cpu")


def statistics(features):
    exact = features.double()
    return Statistics(len(exact), exact.sum(0), exact.T @ exact, features.float())


def frechet(real, fake):
    distance = Frechet(statistics(real), CPU)
    distance.add(fake)
    return distance.compute()


def whitened(count, dim, seed):
    """Features with mean 0 and sample covariance 1, exactly."""
    values = np.random.default_rng(seed).normal(size=(count, dim))
    values -= values.mean(axis=0)
    root = np.linalg.cholesky(np.linalg.inv(np.cov(values, rowvar=False)))
    return torch.from_numpy(values @ root)


def test_a_set_has_no_distance_to_itself():
    features = torch.randn(200, 16, generator=torch.Generator().manual_seed(0))
    assert abs(frechet(features, features)) < 1e-9


def test_shifted_and_scaled_gaussians_have_the_closed_form():
    shift = torch.tensor([3.0, -4.0, 0.0, 1.0], dtype=torch.float64)
    scale = torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64)
    real, fake = whitened(500, 4, 0), whitened(300, 4, 1) * scale + shift
    expected = float(shift.square().sum() + (scale - 1).square().sum())
    assert frechet(real, fake) == pytest.approx(expected, rel=1e-9)


def test_frechet_equals_scipy_on_correlated_features():
    generator = np.random.default_rng(0)
    real = generator.normal(size=(400, 12)) @ generator.normal(size=(12, 12))
    fake = generator.normal(size=(300, 12)) @ generator.normal(size=(12, 12)) + 1
    mean = real.mean(0) - fake.mean(0)
    c1, c2 = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    expected = mean @ mean + np.trace(c1 + c2 - 2 * scipy.linalg.sqrtm(c1 @ c2).real)
    found = frechet(torch.from_numpy(real), torch.from_numpy(fake))
    assert found == pytest.approx(expected, rel=1e-9)


def test_chunks_do_not_change_the_frechet_distance():
    real, fake = whitened(100, 8, 0), whitened(99, 8, 1) + 1
    whole = frechet(real, fake)
    distance = Frechet(statistics(real), CPU)
    for _ in range(2):  # the second time after a reset that keeps the reals
        distance.reset()
        for part in fake.split(7):
            distance.add(part)
        assert distance.compute() == pytest.approx(whole, rel=1e-12)


def test_features_that_are_not_finite_give_nan_instead_of_a_crash():
    real, fake = whitened(100, 8, 0), whitened(100, 8, 1)
    fake[3, 3] = math.nan
    assert math.isnan(frechet(real, fake))


def polynomial_mmd(x, y):
    """The unbiased estimate of arXiv:1801.01401, eq. 4, under (x.y / d + 1)^3, in float64."""
    x, y = x.double().numpy(), y.double().numpy()
    kernel = lambda a, b: (a @ b.T / a.shape[1] + 1) ** 3  # noqa: E731
    m, n = len(x), len(y)
    xx, yy = kernel(x, x), kernel(y, y)
    within = (xx.sum() - np.trace(xx)) / (m * (m - 1)) + (yy.sum() - np.trace(yy)) / (n * (n - 1))
    return within - 2 * kernel(x, y).mean()


def test_kernel_distance_equals_numpy_where_all_subsets_are_the_same():
    generator = torch.Generator().manual_seed(0)
    real = torch.rand(50, 32, generator=generator)
    fake = torch.rand(50, 32, generator=generator) * 1.5
    distance = Kernel(real, keep=50)
    distance.add(fake[:20])
    distance.add(fake[20:])
    assert distance.subsets == 1
    assert distance.compute(CPU) == pytest.approx(polynomial_mmd(real, fake), rel=1e-4)


def test_kernel_distance_is_a_mean_over_subsets_and_repeats_itself():
    generator = torch.Generator().manual_seed(0)
    real = torch.rand(300, 16, generator=generator)
    fake = torch.rand(60, 16, generator=generator) * 1.5
    distance = Kernel(real, keep=60)
    distance.add(fake)
    assert (distance.subsets, distance.subset_size) == (100, 60)
    first = distance.compute(CPU)
    distance.reset()
    distance.add(fake)
    assert distance.compute(CPU) == first
    assert first == pytest.approx(polynomial_mmd(real, fake), rel=0.05)


def test_kernel_distance_keeps_a_bounded_number_and_the_random_state():
    distance = Kernel(torch.rand(20, 4), keep=10)
    before = torch.get_rng_state()
    distance.add(torch.rand(8, 4))
    torch.set_rng_state(before)
    distance.add(torch.rand(8, 4))
    torch.set_rng_state(before)
    distance.add(torch.zeros(8, 4))
    distance.compute(CPU)
    assert distance.kept == 10
    assert torch.equal(torch.get_rng_state(), before)
