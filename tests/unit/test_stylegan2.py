"""StyleGAN2's layers and path lengths against independent arithmetic, and what its game does with styles."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from gan_lab.generation.sampling import Sampler
from gan_lab.networks.layers.mapping import Mapping, MeanStyle, mixed
from gan_lab.networks.layers.modulated import ModulatedConv2d, StyledConv2d
from gan_lab.networks.stylegan2 import ARCHITECTURES, StyleGan2Discriminator, StyleGan2Generator
from gan_lab.penalties.path_length import PathLength, path_lengths
from tests.conftest import batches, play_rounds
from tests.contracts.walk import built

SMALL = {"resolution": 16, "channels": 3, "width": 4, "max_width": 8}
STYLES = {"latent_dim": 6, "style_dim": 5, "mapping_layers": 2}


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("up", [True, False])
def test_a_modulated_convolution_is_one_of_a_kernel_for_each_image(demodulate, up):
    torch.manual_seed(0)
    layer = ModulatedConv2d(4, 6, 3, style_dim=5, demodulate=demodulate, up=up, gain=1.7).double()
    x, styles = torch.randn(3, 4, 8, 8).double(), torch.randn(3, 5).double()
    planes, factors = layer(x, styles)
    for image, style, found in zip(x, layer.affine(styles), planes * factors, strict=True):
        kernel = layer.weight * style[None, :, None, None]
        norms = kernel.square().sum((1, 2, 3), keepdim=True).add(1e-8).sqrt()
        kernel = kernel / (norms if demodulate else 6)  # the root of 4 * 3 * 3
        if up:
            expected = layer.blur(
                F.conv_transpose2d(image, kernel.transpose(0, 1), stride=2)[None]
            )[0]
        else:
            expected = F.conv2d(image, kernel, padding=1)
        assert found.shape[-1] == (16 if up else 8)
        assert_close(found, 1.7 * expected)


def test_demodulated_outputs_have_unit_variance_whatever_the_styles():
    torch.manual_seed(0)
    layer = ModulatedConv2d(64, 64, 3, style_dim=8)
    for size in (0.1, 1.0, 30.0):
        planes, factors = layer(torch.randn(8, 64, 16, 16), size * torch.randn(8, 8))
        spread = (planes * factors)[..., 1:-1, 1:-1].std(dim=(1, 2, 3))
        assert_close(spread, torch.ones(8), rtol=0.05, atol=0)


def test_noise_and_bias_come_behind_the_convolution_and_before_the_activation():
    torch.manual_seed(0)
    layer = StyledConv2d(4, 4, style_dim=5, gain=2.0)
    nn.init.normal_(layer.bias)
    nn.init.constant_(layer.noise_strength, 0.3)
    x, style, noise = torch.randn(2, 4, 8, 8), torch.randn(2, 5), torch.randn(2, 1, 8, 8)
    planes, factors = layer.conv(x, style)
    inner = planes * factors / 2 + 0.3 * noise + layer.bias[:, None, None]
    assert_close(layer(x, style, noise), 2 * F.leaky_relu(inner, 0.2))
    without = planes * factors / 2 + layer.bias[:, None, None]
    assert_close(layer(x, style), 2 * F.leaky_relu(without, 0.2))


def test_path_lengths_of_a_linear_map_are_those_of_its_matrix():
    torch.manual_seed(0)
    maps = torch.randn(2, 12, 5)  # of two layers' styles to the 12 numbers of an image
    styles = torch.randn(3, 2, 5, requires_grad=True)
    images = torch.einsum("lpd,nld->np", maps, styles).view(3, 3, 2, 2)
    noise = torch.randn_like(images)
    squares = [(maps[layer].T @ noise.flatten(1).T).square().sum(0) for layer in (0, 1)]
    assert_close(path_lengths(images, styles, noise), ((squares[0] + squares[1]) / 2).sqrt())
    latents = torch.randn(3, 5, requires_grad=True)
    images = (latents @ maps[0].T).view(3, 3, 2, 2)
    assert_close(path_lengths(images, latents, noise), squares[0].sqrt())


def test_the_penalty_measures_against_the_mean_of_earlier_updates():
    torch.manual_seed(0)
    matrix, z, noise = (
        torch.randn(48, 5),
        torch.randn(4, 5, requires_grad=True),
        torch.randn(4, 3, 4, 4),
    )
    noted = {}
    play = SimpleNamespace(
        game=SimpleNamespace(generator=nn.Identity()), z=z, fake=(z @ matrix.T).view(4, 3, 4, 4),
        normal=lambda purpose, shape: noise, note=noted.__setitem__,
    )  # fmt: skip
    penalty = PathLength(decay=0.25)
    penalty.mean.fill_(2.0)
    lengths = (noise.flatten(1) / 4 @ matrix).norm(dim=1)
    assert_close(penalty(play), (lengths - 2).square().mean())
    penalty.commit(noted)
    assert_close(penalty.mean, 0.75 * torch.tensor(2.0) + 0.25 * lengths.mean())


def test_styles_change_at_the_cut():
    one, other = torch.zeros(3, 2), torch.ones(3, 2)
    cut = torch.tensor([[0.0], [0.7], [0.7]])
    found = mixed(one, other, cut, torch.tensor([[True], [True], [False]]), layers=4)
    assert found[..., 0].tolist() == [[0, 1, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]]


def test_the_mapping_forgets_the_length_of_latents():
    mapping, z = Mapping(6, 5, layers=3), torch.randn(2, 6)
    assert_close(mapping(z), mapping(7 * z))
    labelled = Mapping(6, 5, layers=1, label_dim=3)
    one, two = (labelled(z, torch.eye(3)[[index, index]]) for index in (0, 1))
    assert (one != two).all()


def test_truncated_styles_lie_between_the_mean_and_themselves():
    part, styles = MeanStyle(3, decay=0.5), torch.randn(4, 3)
    part.look_at(styles)
    part.commit(part.notes())
    assert_close(part.mean, styles.mean(0) / 2)
    share = torch.tensor([[0.0], [0.5], [1.0], [1.0]])
    found = part.truncated(styles, share)
    assert_close(found[0], part.mean)
    assert_close(found[1], (part.mean + styles[1]) / 2)
    assert_close(found[2:], styles[2:])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_weight_of_both_networks_gets_a_gradient(architecture):
    torch.manual_seed(0)
    generator = StyleGan2Generator(**SMALL, **STYLES, architecture=architecture)
    drawn = {name: getattr(torch, {"uniform": "rand"}.get(law, "randn"))(8, count)
             for name, (law, count) in generator.draws.items()}  # fmt: skip
    images = generator(torch.randn(8, 6), **drawn)
    assert images.shape == (8, 3, 16, 16)
    judge = StyleGan2Discriminator(**SMALL, architecture=architecture)
    logits, features, places, *_ = judge(images)
    assert (logits.shape, features.shape, places.shape) == ((8,), (8, 8), (8, 8, 4, 4))
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    (logits.sum() + slope.square().sum()).backward()
    for network in (generator, judge):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name


def test_samples_take_fixed_noise_and_training_its_own():
    torch.manual_seed(0)
    generator, z = StyleGan2Generator(**SMALL, **STYLES, mixing=0.0), torch.randn(2, 6)
    for name, parameter in generator.named_parameters():
        if name.endswith("noise_strength"):
            nn.init.ones_(parameter)
    count = generator.draws["noise"][1]
    assert list(generator.draws) == ["noise"]
    assert count == 4**2 + 2 * (8**2 + 16**2)
    one, two = (generator(z, noise=torch.randn(2, count)) for _ in range(2))
    assert not torch.equal(one, two)
    generator.eval()
    assert torch.equal(generator(z), generator(z))
    given = generator(z, noise=generator.fixed_noise.expand(2, -1))
    assert_close(given, generator(z))
    quiet = StyleGan2Generator(**SMALL, **STYLES, noise=False)
    assert "noise" not in quiet.draws


def test_parameter_counts_are_those_of_the_authors_networks():
    """As their code counts them: 256 px with 32768 / resolution channels, up to 512; noise and means are buffers."""
    size = {"resolution": 256, "channels": 3, "width": 128}
    with torch.device("meta"):
        networks = StyleGan2Generator(**size, latent_dim=512), StyleGan2Discriminator(**size)
    counts = [sum(p.numel() for p in network.parameters()) for network in networks]
    assert [round(count / 1e6, 1) for count in counts] == [30.0, 28.9]


NARROW_STYLES = ("generator.style_dim=16", "generator.mapping_layers=2")


def after_a_round(*options):
    game = built("model=stylegan2", "penalty.path_length.every=2", *NARROW_STYLES, *options).game
    before = copy.deepcopy(game.generator.state_dict())
    game.discriminator.deviation.group = 1  # groups of a batch in parts are others
    play_rounds(game, batches(8), 1)
    return game, before


def test_states_move_once_for_each_update():
    # Adam's first step is the sign of a gradient, so that rounding would make other weights: they hardly move here.
    still = [f"optimizer.{player}.lr=1e-12" for player in ("generator", "discriminator")]
    whole, halves = (after_a_round(f"accumulate={parts}", *still)[0] for parts in (1, 2))
    for name in ("generator.mean_style.mean", "penalty_path_length.mean"):
        one, two = (game.get_buffer(name) for game in (whole, halves))
        assert one.abs().max() > 0
        assert_close(one, two, rtol=1e-3, atol=1e-7)


def test_each_step_of_the_generator_moves_it_by_its_rate():
    whole, before = after_a_round()
    moved = {
        name: (value - before[name]).abs().max()
        for name, value in whole.generator.state_dict().items()
    }
    rate = whole.options.optimizers["generator"].lr.at(0)
    # Two steps of Adam, each as long as the rate; the mapping's is a hundredth.
    assert (
        0 < moved["mapping.layers.0.weight"] < 0.021 * rate < moved["blocks.0.layers.0.conv.weight"]
    )


def test_truncation_is_the_generators():
    game = built("model=stylegan2").game
    game.generator.mean_style.mean.normal_()
    networks = {"generator": game.generator}
    plain, whole, little = (
        Sampler(game, networks, truncation=share)(0, 4) for share in (None, 1.0, 1e-6)
    )
    assert_close(plain, whole, rtol=0, atol=1e-5)
    assert_close(little[0], little[1], rtol=0, atol=1e-3)
    assert not torch.allclose(plain[0], plain[1], atol=1e-2)
