"""The orthogonal penalty against loops over pairs of filters."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from gan_lab.common.errors import ConfigError
from gan_lab.penalties.orthogonal import Orthogonal, filters_of, off_diagonal


def by_pairs(weight: np.ndarray) -> float:
    """The squared inner product of every two different filters, each pair twice."""
    filters = weight.astype(np.float64).reshape(len(weight), -1)
    return sum(
        float(one @ other) ** 2
        for i, one in enumerate(filters)
        for j, other in enumerate(filters)
        if i != j
    )


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (5, 5)])
def test_off_diagonal_is_the_sum_over_pairs_and_its_gradient_too(shape):
    filters = torch.randn(shape, dtype=torch.float64).requires_grad_()
    loss = off_diagonal(filters)
    assert float(loss.detach()) == pytest.approx(by_pairs(filters.detach().numpy()), rel=1e-5)
    gram = filters @ filters.T
    plain = (gram * (1 - torch.eye(len(gram)))).square().sum()
    torch.testing.assert_close(
        torch.autograd.grad(loss, filters),
        torch.autograd.grad(plain, filters),
        rtol=1e-4,
        atol=1e-4,
    )


def test_filters_at_right_angles_cost_nothing_whatever_their_length():
    filters = torch.linalg.qr(torch.randn(6, 6))[0] * torch.arange(1, 7)[:, None]
    assert float(off_diagonal(filters)) == pytest.approx(0, abs=1e-3)
    assert float(off_diagonal(torch.ones(2, 3))) == pytest.approx(2 * 9)


def test_the_penalty_reads_the_layers_of_the_generator_alone():
    layers = [
        nn.Linear(3, 7),
        nn.Conv2d(2, 4, 3),
        nn.ConvTranspose2d(4, 2, 3),
        spectral_norm(nn.Linear(4, 4)),
    ]
    generator = nn.Sequential(*layers, nn.BatchNorm2d(4), nn.Embedding(5, 6))
    players = [
        SimpleNamespace(name="discriminator", networks={"discriminator": nn.Linear(9, 9)}),
        SimpleNamespace(name="generator", networks={"generator": generator}),
    ]
    play = SimpleNamespace(game=SimpleNamespace(players=lambda: players))
    weights = [
        layers[0].weight, layers[1].weight, layers[2].weight.transpose(0, 1),
        layers[3].parametrizations.weight.original,
    ]  # fmt: skip
    assert len(list(filters_of(generator))) == 4
    wanted = sum(by_pairs(weight.detach().numpy()) for weight in weights)
    term = Orthogonal()
    assert term.player == "generator"
    assert float(term(play).detach()) == pytest.approx(wanted, rel=1e-5)


def test_options_are_checked():
    with pytest.raises(ConfigError, match="weight=-1"):
        Orthogonal(weight=-1.0)
    with pytest.raises(ConfigError, match="every=0"):
        Orthogonal(every=0)
