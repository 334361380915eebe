"""The library's fast layers compute what torch's usual ones do, to rounding, in all derivatives that training takes."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from gan_lab.networks.layers import strided
from gan_lab.networks.layers.flatten import Flatten
from gan_lab.networks.layers.pixels import FromPixels, ToPixels
from gan_lab.networks.layers.resample import ConvThenHalve, DoubleThenConv
from gan_lab.networks.layers.strided import DoublingConv, HalvingConv, _Strided, _WeightGradient
from tests.conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "scripts" / "bench"))
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


@pytest.mark.parametrize("transposed", [False, True])
def test_strided_layers_and_their_penalties_are_the_usual_ones(transposed) -> None:
    torch.manual_seed(0)
    weight = torch.randn(4, 5, 4, 4, dtype=torch.float64, requires_grad=True)
    small, large = torch.randn(2, 4, 4, 3).double(), torch.randn(2, 5, 8, 6).double()
    x = small if transposed else large
    function = F.conv_transpose2d if transposed else F.conv2d

    def usual(x):
        return function(x, weight, stride=2, padding=1)

    def derivatives_of(layer):
        leaf = x.clone().requires_grad_()
        y = layer(leaf)
        slopes = torch.autograd.grad((y**3).sum(), [leaf, weight], create_graph=True)
        penalty = sum(slope.square().sum() for slope in slopes)
        return [y, *slopes, *torch.autograd.grad(penalty, [leaf, weight])]

    fast = derivatives_of(lambda x: _Strided.apply(x, weight, transposed))
    for mine, theirs in zip(fast, derivatives_of(usual), strict=True):
        assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("kind", "pixels"), [(HalvingConv, 16), (DoublingConv, 8)])
@pytest.mark.parametrize("bias", [False, True])
def test_strided_layers_in_bf16_take_the_product_and_are_as_near_to_fp32_as_torchs(
    kind, pixels, bias, monkeypatch
) -> None:
    torch.manual_seed(0)
    layer = kind(8, 6, bias=bias)
    x = torch.randn(4, 8, pixels, pixels)
    products = []
    apply = _WeightGradient.apply
    monkeypatch.setattr(_WeightGradient, "apply", lambda *a: products.append(1) or apply(*a))

    def gradient(few):
        monkeypatch.setattr(strided, "FEW", few or 0)
        layer.weight.grad = None
        with torch.autocast("cpu", torch.bfloat16, enabled=few is not None, cache_enabled=False):
            layer(x).square().sum().backward()
        return layer.weight.grad

    exact, fast, torchs = gradient(None), gradient(8), gradient(0)
    assert len(products) == 1, "only the second has few enough pixels"
    scale = exact.abs().max()
    assert (fast - exact).abs().max() < 1.5 * (torchs - exact).abs().max() + 1e-3 * scale


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
