"""Latents that are truncated and walked between, against independent arithmetic."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats

from gan_lab.common.errors import ConfigError
from gan_lab.engine.randomness import numbers_of, seed_of
from gan_lab.generation.latents import truncated, walk
from gan_lab.latents.distributions import Normal, Uniform
from gan_lab.latents.paths import lerp, slerp


def numbers(count, dim=64, seed=0):
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("bound", [0.04, 0.7, 2.0])
def test_truncated_latents_follow_the_law_that_drawing_again_gives(bound):
    """BigGAN draws numbers beyond the bound again; its law is scipy's truncnorm and numpy's rejection."""
    found = Normal(dim=64).truncated(numbers(400), bound).numpy().ravel()
    assert np.abs(found).max() <= np.float32(bound)
    assert stats.kstest(found, stats.truncnorm(-bound, bound).cdf).pvalue > 0.01
    drawn = np.random.default_rng(0).standard_normal(2_000_000)
    again = drawn[np.abs(drawn) <= bound][:25_000]
    assert stats.ks_2samp(found, again).pvalue > 0.01
    assert found.std() == pytest.approx(again.std(), rel=0.02)


def test_other_laws_would_be_noticed():
    clamped = numbers(400).clamp(-0.7, 0.7).numpy().ravel()
    scaled = (
        0.7 / 2 * Normal(dim=64).truncated(numbers(400), 2.0).numpy().ravel()
    )  # TF Hub's BigGAN
    law = stats.truncnorm(-0.7, 0.7)
    for wrong in (clamped, scaled):
        assert stats.kstest(wrong, law.cdf).pvalue < 1e-6


def test_truncation_keeps_the_order_and_fades_out_with_a_wide_bound():
    latent, drawn = Normal(dim=64), numbers(3)
    for narrow, wide in pairwise((0.1, 0.5, 1.0, 3.0)):
        assert (latent.truncated(drawn, narrow).abs() <= latent.truncated(drawn, wide).abs()).all()
    order = drawn.flatten().argsort()
    assert torch.equal(latent.truncated(drawn, 0.5).flatten().argsort(), order)
    torch.testing.assert_close(latent.truncated(drawn, 9.0), drawn, rtol=1e-6, atol=0)
    tails = torch.tensor([[-7.0, 7.0, 0.0]])
    assert latent.truncated(tails, 0.7).tolist()[0] == pytest.approx([-0.7, 0.7, 0.0])
    with pytest.raises(ConfigError, match=r"truncation=0: must lie in \(0, inf\)"):
        latent.truncated(drawn, 0)


class Game:
    """What generation asks a game for."""

    def __init__(self, latent=None, dim=64):
        self.latent, self.latent_dim = latent, dim


def test_only_latents_with_tails_are_truncated():
    drawn = numbers(2)
    expected = Normal(dim=64).truncated(drawn, 0.7)
    assert torch.equal(truncated(Game(Normal(dim=64)), drawn, 0.7), expected)
    assert torch.equal(truncated(Game(), drawn, 0.7), expected), (
        "a game of its own takes normal ones"
    )
    with pytest.raises(ConfigError, match=r"truncation=0.7: .*\(uniform\) that has no tails"):
        truncated(Game(Uniform(dim=64)), drawn, 0.7)


def test_slerp_is_the_textbooks():
    """Shoemake's formula in numpy, for directions of any length."""
    start, end = numbers(2, dim=100)
    shares = torch.linspace(0, 1, 11)
    a, b = start.double().numpy(), end.double().numpy()
    angle = math.acos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    for share, found in zip(shares.tolist(), slerp(start, end, shares).numpy(), strict=True):
        turned = math.sin((1 - share) * angle) * a / np.linalg.norm(a)
        turned += math.sin(share * angle) * b / np.linalg.norm(b)
        length = (1 - share) * np.linalg.norm(a) + share * np.linalg.norm(b)
        np.testing.assert_allclose(found, turned / math.sin(angle) * length, atol=1e-5)


def test_slerp_keeps_the_norm_and_its_ends():
    start, end = numbers(2)
    end = end * start.norm() / end.norm()
    shares = torch.linspace(0, 1, 9)
    found = slerp(start, end, shares)
    torch.testing.assert_close(found.norm(dim=1), start.norm().expand(9), rtol=1e-6, atol=0)
    assert torch.equal(found[0], start)
    assert torch.equal(found[-1], end)
    steps = (found[1:] - found[:-1]).norm(dim=1)
    torch.testing.assert_close(steps, steps[:1].expand(8), rtol=1e-5, atol=0)
    line = lerp(start, end, shares)
    assert line[4].norm() < 0.8 * start.norm(), "the line cuts through the middle"


@pytest.mark.parametrize("end", [[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
def test_slerp_without_a_plane_is_the_line(end):
    start, shares = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.25, 1.0])
    found = slerp(start, torch.tensor(end), shares)
    assert torch.equal(found, lerp(start, torch.tensor(end), shares))
    assert found.isfinite().all()


def test_uniform_latents_walk_straight():
    latent = Uniform(dim=64)
    start, end = numbers(2)
    shares = torch.linspace(0, 1, 5)
    found = latent.between(start, end, shares)
    expected = lerp(latent.from_normal(start), latent.from_normal(end), shares)
    torch.testing.assert_close(latent.from_normal(found), expected, rtol=0, atol=1e-6)
    assert torch.equal(found[0], start)
    assert torch.equal(found[-1], end)
    far = torch.full((64,), 9.0)  # whose latent is 1 to the last digit
    assert latent.from_normal(latent.between(-far, far, shares))[2].abs().max() == 0


@pytest.mark.parametrize("latent", [None, Normal(dim=64), Uniform(dim=64)])
def test_a_walk_passes_its_stations(latent):
    stations = numbers(3)
    game = Game(latent)
    found = walk(game, stations, frames=4)
    assert found.shape == (9, 64)
    assert torch.equal(found[::4], stations)
    closed = walk(game, stations, frames=4, loop=True)
    assert closed.shape == (12, 64)
    assert torch.equal(closed[:9], found)
    torch.testing.assert_close(closed[8:], walk(game, stations[[2, 0]], frames=4)[:4])
    with pytest.raises(ConfigError, match="at least two"):
        walk(game, stations[:1], frames=4)


def test_numbers_depend_on_the_index_alone():
    """Against chunks of 64 drawn by hand; order, gaps and repeats change nothing."""
    wanted = [200, 3, 64, 63, 3]
    found = numbers_of(wanted, 10, seed=5)
    for row, index in zip(found, wanted, strict=True):
        generator = torch.Generator().manual_seed(seed_of(5, "sample", index // 64))
        assert torch.equal(row, torch.randn(64, 10, generator=generator)[index % 64])
    other = numbers_of(wanted, 10, seed=5, purpose="label", sampler=torch.rand)
    assert other.min() >= 0
    assert other.max() < 1
    assert not torch.equal(numbers_of([3], 10, seed=2**40), numbers_of([3], 10, seed=5))
