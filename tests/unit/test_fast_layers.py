"""The library's fast layers compute what torch's usual ones do, to rounding, in all derivatives that training takes."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from gan_lab.networks.layers.flatten import Flatten
from gan_lab.networks.layers.pixels import FromPixels, ToPixels
from gan_lab.networks.layers.resample import ConvThenHalve, DoubleThenConv
from tests.conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "scripts"))
from ordinary import USUAL, make_ordinary

LAYERS = [
    (ConvThenHalve, 5, 4), (DoubleThenConv, 5, 4), (FromPixels, 1, 4), (FromPixels, 3, 4), (ToPixels, 5, 1),
    (ToPixels, 5, 3),
]  # fmt: skip


def derivatives(layer, x):
    """The image of x, and the gradients of a penalty on the gradient with respect to x, as WGAN-GP takes them."""
    x = x.clone().requires_grad_()
    y = layer(x)
    (slope,) = torch.autograd.grad((y**3).sum(), x, create_graph=True)
    penalty = slope.square().sum()
    return [y, slope, *torch.autograd.grad(penalty, [x, *layer.parameters()])]


@pytest.mark.parametrize(("kind", "inside", "outside"), LAYERS)
def test_first_and_second_derivatives_are_the_usual_layers(kind, inside, outside) -> None:
    torch.manual_seed(0)
    layer = kind(inside, outside).double()
    x = torch.randn(2, inside, 8, 6, dtype=torch.float64)
    fast = derivatives(layer, x)
    names = [name for name, _ in layer.named_parameters()]
    usual = derivatives(make_ordinary(nn.Sequential(layer))[0], x)
    assert type(layer) is USUAL[kind], "the second time it was the usual layer"
    assert [name for name, _ in layer.named_parameters()] == names
    for mine, theirs in zip(fast, usual, strict=True):
        assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


def test_a_mean_behind_a_convolution_by_hand() -> None:
    layer = ConvThenHalve(1, 1)
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    # Sums of 3x3 neighbours of ones with a border of zeros are 4 in corners, 6 on edges and 9 inside.
    corner, edge = (4 + 6 + 6 + 9) / 4, (6 + 6 + 9 + 9) / 4
    expected = [[corner, edge, corner], [edge, 9.0, edge], [corner, edge, corner]]
    assert_close(layer(torch.ones(1, 1, 6, 6))[0, 0], torch.tensor(expected))


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_the_gradient_of_flatten_lies_as_its_input_did(memory_format) -> None:
    x = torch.randn(2, 3, 4, 4).contiguous(memory_format=memory_format).requires_grad_()
    seen = []
    h = F.relu(x)
    h.register_hook(lambda g: seen.append(g.is_contiguous(memory_format=memory_format)))
    weights = torch.randn(2, 48)
    (Flatten()(h) * weights).sum().backward()
    assert seen == [True]
    assert_close(x.grad, torch.where(x > 0, weights.view(2, 3, 4, 4), 0.0))
