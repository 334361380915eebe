"""The fast layers compute what torch's do, to rounding, in all derivatives; the pass changes nothing else."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized
from torch.testing import assert_close

from gan_lab.networks.dcgan import DcganDiscriminator
from gan_lab.networks.fast import strided
from gan_lab.networks.fast.cpu import fast_cpu
from gan_lab.networks.fast.flatten import FastFlatten
from gan_lab.networks.fast.pixels import FromPixels, ToPixels
from gan_lab.networks.fast.resample import FastConvMeanPool, FastUpsampleConv
from gan_lab.networks.fast.strided import DoublingConv, HalvingConv, _Strided, _WeightGradient
from gan_lab.networks.layers.resample import ConvMeanPool, UpsampleConv
from tests.conftest import batches, play_rounds
from tests.contracts.walk import built, for_images

HALF = {"kernel_size": 4, "stride": 2, "padding": 1}
LAYERS = [
    (ConvMeanPool(5, 4), FastConvMeanPool), (UpsampleConv(5, 4), FastUpsampleConv),
    (nn.Conv2d(1, 4, **HALF), FromPixels), (nn.Conv2d(3, 4, **HALF, bias=False), FromPixels),
    (nn.ConvTranspose2d(5, 1, **HALF), ToPixels), (nn.ConvTranspose2d(5, 3, **HALF, bias=False), ToPixels),
    (nn.Conv2d(6, 7, **HALF), HalvingConv), (nn.ConvTranspose2d(6, 7, **HALF), DoublingConv),
]  # fmt: skip
LEFT = [
    nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(3, 8, 4, stride=2), nn.Conv2d(4, 8, **HALF, groups=2),
    nn.Conv2d(3, 8, **HALF, padding_mode="reflect"), nn.Conv2d(3, 8, **HALF, dilation=2),
    nn.Conv2d(3, 8, 4, padding="same"),
    nn.ConvTranspose2d(8, 3, **HALF, output_padding=1), nn.Linear(4, 4),
]  # fmt: skip


def derivatives(layer, x):
    """The image of x, and the gradients of a penalty on the gradient with respect to x, as WGAN-GP takes them."""
    x = x.clone().requires_grad_()
    y = layer(x)
    (slope,) = torch.autograd.grad((y**3).sum(), x, create_graph=True)
    penalty = slope.square().sum()
    return [y, slope, *torch.autograd.grad(penalty, [x, *layer.parameters()])]


def assert_same_derivatives(layer, fast, x):
    for mine, theirs in zip(derivatives(fast, x), derivatives(layer, x), strict=True):
        assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("layer", "kind"), LAYERS)
def test_first_and_second_derivatives_are_the_ordinary_layers(layer, kind) -> None:
    torch.manual_seed(0)
    layer = copy.deepcopy(layer).double()
    fast = fast_cpu(copy.deepcopy(layer))
    assert type(fast) is kind
    x = torch.randn(2, layer.in_channels, 8, 6, dtype=torch.float64)
    assert_same_derivatives(layer, fast, x)


@pytest.mark.parametrize(("layer", "kind"), LAYERS)
def test_any_size_that_the_ordinary_layer_takes(layer, kind) -> None:
    fast = fast_cpu(copy.deepcopy(layer))
    for shape in ((2, layer.in_channels, 7, 8), (2, layer.in_channels, 9, 5)):
        x = torch.randn(shape)
        with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
            fast(x).sum().backward()
        assert_close(fast(x), layer(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", LEFT)
def test_what_has_no_faster_form_is_left_alone(layer) -> None:
    kind = type(layer)
    assert type(fast_cpu(layer)) is kind


def test_layers_of_a_class_of_ones_own_are_left_alone() -> None:
    class Mine(nn.Conv2d):
        def forward(self, x):
            return super().forward(x) + 1

    network = fast_cpu(nn.Sequential(Mine(1, 4, 4, stride=2, padding=1)))
    assert type(network[0]) is Mine


def test_the_pass_keeps_parameters_names_and_shapes_and_can_be_repeated() -> None:
    network = DcganDiscriminator(resolution=16, channels=1, width=8)
    before = dict(network.named_parameters())
    names = list(network.state_dict())
    fast_cpu(fast_cpu(network))
    assert {type(m) for m in network.body} >= {FromPixels, HalvingConv, FastFlatten}
    assert list(network.state_dict()) == names
    assert all(p is before[name] for name, p in network.named_parameters())


def test_copies_and_pickles_of_a_fast_network_are_fast_and_equal() -> None:
    network = fast_cpu(DcganDiscriminator(resolution=16, channels=1, width=8)).eval()
    images = torch.randn(2, 1, 16, 16)
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert [type(m) for m in other.modules()] == [type(m) for m in network.modules()]
        assert torch.equal(other(images).logits, network(images).logits)
        assert not {id(p) for p in other.parameters()} & {id(p) for p in network.parameters()}


@pytest.mark.parametrize(("layer", "kind"), LAYERS)
def test_spectrally_normalised_layers_too(layer, kind) -> None:
    torch.manual_seed(0)
    layer = spectral_norm(copy.deepcopy(layer).double()).eval()
    fast = fast_cpu(copy.deepcopy(layer))
    assert isinstance(fast, kind)
    assert is_parametrized(fast, "weight")
    assert list(fast.state_dict()) == list(layer.state_dict())
    x = torch.randn(2, layer.in_channels, 8, 6, dtype=torch.float64)
    assert_same_derivatives(layer, fast, x)
    assert_same_derivatives(layer, copy.deepcopy(fast), x)
    assert type(torch.nn.utils.parametrize.remove_parametrizations(fast, "weight")) is kind


@pytest.mark.parametrize("transposed", [False, True])
def test_strided_layers_and_their_penalties_are_the_ordinary_ones(transposed) -> None:
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


@pytest.mark.parametrize(("layer", "pixels"), [(nn.Conv2d, 16), (nn.ConvTranspose2d, 8)])
@pytest.mark.parametrize("bias", [False, True])
def test_strided_layers_in_bf16_take_the_product_and_are_as_near_to_fp32_as_torchs(
    layer, pixels, bias, monkeypatch
) -> None:
    torch.manual_seed(0)
    ordinary = layer(8, 6, **HALF, bias=bias)
    fast = fast_cpu(copy.deepcopy(ordinary))
    x = torch.randn(4, 8, pixels, pixels)
    products = []
    apply = _WeightGradient.apply
    monkeypatch.setattr(_WeightGradient, "apply", lambda *a: products.append(1) or apply(*a))

    def gradient(network, *, bf16=True):
        network.weight.grad = None
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16, cache_enabled=False):
            network(x).square().sum().backward()
        return network.weight.grad

    exact, mine, torchs = gradient(ordinary, bf16=False), gradient(fast), gradient(ordinary)
    assert len(products) == 1
    scale = exact.abs().max()
    assert (mine - exact).abs().max() < 1.5 * (torchs - exact).abs().max() + 1e-3 * scale
    monkeypatch.setattr(strided, "FEW", 0)
    assert torch.equal(gradient(fast), torchs), "with more pixels it is torch's layer"
    assert len(products) == 1


def test_a_mean_behind_a_convolution_by_hand() -> None:
    for layer in (ConvMeanPool(1, 1), fast_cpu(ConvMeanPool(1, 1))):
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
    (fast_cpu(nn.Flatten())(h) * weights).sum().backward()
    assert seen == [True]
    assert_close(x.grad, torch.where(x > 0, weights.view(2, 3, 4, 4), 0.0))


def fast_layers(network):
    return [m for m in network.modules() if isinstance(m, tuple(kind for _, kind in LAYERS))]


@pytest.mark.parametrize("name", for_images("generator"))
def test_every_generator_computes_the_same(name) -> None:
    latent = (
        ["latent=pixels"] if name in ("adversarial_flow", "edm") else []
    )  # noise of an image's size
    game = built(
        f"generator={name}", *latent, "compile=true"
    ).game  # compiled runs have torch's layers
    assert not fast_layers(game)
    fast = fast_cpu(copy.deepcopy(game))
    z = torch.randn(4, game.latent_dim)
    assert_close(fast.generator(z), game.generator(z), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", for_images("discriminator"))
def test_every_discriminator_computes_the_same(name) -> None:
    game = built(f"discriminator={name}", "compile=true").game
    fast = fast_cpu(copy.deepcopy(game)).eval()
    images = next(batches(4, resolution=game.generator(torch.randn(2, game.latent_dim)).shape[-1]))[
        "images"
    ]
    assert_close(
        fast.discriminator(images).logits,
        game.eval().discriminator(images).logits,
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("model", ["dcgan", "wgan_gp", "sngan"])
def test_runs_on_a_cpu_train_with_fast_layers_and_averages_have_them(model) -> None:
    game = built(f"model={model}").game
    assert fast_layers(game.discriminator)
    play_rounds(game, batches(8), 1)
    assert [type(m) for m in game.averaged_networks()["generator"].modules()] == [
        type(m) for m in game.generator.modules()
    ]
