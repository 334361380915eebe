"""StyleGAN3's filters against scipy's, its layers against shifts, its state, and EQ-T against sums by hand."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from scipy import signal, special
from torch.nn import functional as F
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.data.sets.fashion_mini import FashionMini
from gan_lab.generation.sampling import Sampler
from gan_lab.metrics.equivariance import Equivariance, differences
from gan_lab.metrics.together import Metrics
from gan_lab.metrics.views import Conditions
from gan_lab.networks.layers.filters import FilteredLeaky, jinc_lowpass, sinc_lowpass
from gan_lab.networks.stylegan3 import EQUIVARIANCES, StyleGan3Generator, bands
from tests.conftest import batches, play_rounds
from tests.contracts.walk import built

SMALL = {
    "resolution": 32,
    "channels": 1,
    "latent_dim": 6,
    "style_dim": 5,
    "width": 4,
    "max_width": 16,
}
NARROW = ("generator.layers=4", "generator.margin=4", "generator.style_dim=16", "latent.dim=16")


@pytest.mark.parametrize(
    ("taps", "cutoff", "width"), [(12, 2.0, 12.0), (24, 5.7, 20.7), (12, 16, 7.4), (6, 1, 30)]
)
def test_filters_are_those_of_scipy(taps, cutoff, width):
    rate = 64
    line = sinc_lowpass(taps, cutoff=cutoff, width=width, rate=rate)
    assert_close(line.numpy(), signal.firwin(taps, cutoff, width=width, fs=rate))
    # By the formula of appendix C.2, which scipy has no function for.
    place = (np.arange(taps) - (taps - 1) / 2) / rate
    radius = np.hypot(*np.meshgrid(place, place))
    beta = signal.kaiser_beta(signal.kaiser_atten(taps, width / (rate / 2)))
    window = np.kaiser(taps, beta)
    plane = special.j1(2 * cutoff * np.pi * radius) / (np.pi * radius) * np.outer(window, window)
    found = jinc_lowpass(taps, cutoff=cutoff, width=width, rate=rate)
    assert_close(found.numpy(), plane / plane.sum(), rtol=1e-5, atol=1e-9)


def test_the_bands_are_those_of_the_published_network_of_1024_pixels():
    """Its layers are called L0_36_512, L1_36_512, L2_52_512, ... by their sizes and channels."""
    plan = bands(1024, layers=14, critical=2, margin=10, width=32, max_width=512)
    sizes = [36, 36, 52, 52, 84, 148, 148, 276, 276, 532, 1044, 1044, 1044, 1024]
    channels = [512] * 7 + [323, 203, 128, 81, 51, 32, 32]
    assert [(band.size, band.channels) for band in plan[:-1]] == list(
        zip(sizes, channels, strict=True)
    )
    assert plan[-1].cutoff == plan[-3].cutoff == 512
    assert all(band.cutoff + band.half >= band.rate / 2 for band in plan)


def plain(x):
    return F.leaky_relu(x, 0.2) * math.sqrt(2)


def test_a_filtered_activation_commutes_with_parts_of_a_pixel():
    """A wave moved by a third of a pixel: what comes out moves as far, and a plain leaky ReLU's output does not."""
    size, margin, rate = 64, 16, 64.0
    lowpass = {"cutoff": 16.0, "width": 16.0, "rate": 2 * rate}
    line, disc = sinc_lowpass(24, **lowpass), jinc_lowpass(24, **lowpass)
    places = torch.arange(size).double()

    def waves(offset):
        angle = 2 * math.pi * (places[None] - offset) * 9 / rate
        return (angle + 2 * math.pi * places[:, None] * 5 / rate).sin()[None, None]

    def moved(planes, offset):  # exact for what has a period of `size`
        turn = torch.exp(-2j * math.pi * torch.fft.fftfreq(size).double() * offset)
        return torch.fft.ifft(torch.fft.fft(planes) * turn).real

    inner = slice(margin, -margin)

    def error(layer):
        apart = moved(layer(waves(0.0)), 1 / 3) - layer(waves(1 / 3))
        return float(apart[..., inner, inner].square().mean().sqrt())

    periodic = lambda layer: lambda x: layer(F.pad(x, (16,) * 4, mode="circular"))  # noqa: E731
    for last in (line, disc):
        layer = FilteredLeaky(size + 32, size, up=2, down=2, up_filter=line, down_filter=last)
        filtered = periodic(layer.double())
        assert error(filtered) < 0.15 * error(plain)
        # It is about the activation: low frequencies stay, and nothing is shifted.
        slow = waves(0.0) * 0 + (2 * math.pi * places / rate).sin() + 1.5
        assert_close(filtered(slow), math.sqrt(2) * slow, rtol=2e-2, atol=0)


@pytest.mark.parametrize("equivariance", EQUIVARIANCES)
def test_images_move_as_they_are_told(equivariance):
    torch.manual_seed(0)
    generator = StyleGan3Generator(**SMALL, layers=4, equivariance=equivariance).eval()
    z, shift = torch.randn(4, 6), torch.tensor([[3, -2], [0, 4], [-1, -1], [2, 0]])
    with torch.no_grad():
        images, moved = generator(z), generator(z, shift=shift / 32)
        scale = images.std()
        pairs = zip(images / scale, moved / scale, shift.tolist(), strict=True)
        sums = [differences(one, other, *by) for one, other, by in pairs]
    squared, still, count = torch.stack(sums).sum(0).tolist()
    assert 10 * math.log10(4 * count / squared) > 50
    assert 10 * math.log10(4 * count / still) < 20


def test_the_learned_map_moves_and_turns_the_waves():
    torch.manual_seed(0)
    waves = StyleGan3Generator(**SMALL, layers=4).waves
    style = torch.randn(2, 5)
    there = waves(style, torch.tensor([[0.25, 0.0]]).expand(2, 2))
    assert there.shape == (2, 16, 36, 36)
    with torch.no_grad():
        waves.move.bias.copy_(torch.tensor([3.0, 0.0, 0.75, 0.0]))
    assert_close(waves(style), there)
    # A quarter of the image apart, which are 4 of the input's pixels.
    straight = waves(style, torch.tensor([[-0.25, 0.0]]).expand(2, 2))
    assert_close(there[..., 4:], straight[..., :-4], rtol=1e-3, atol=1e-4)
    with torch.no_grad():
        waves.move.bias.copy_(torch.tensor([0.0, 2.0, 0.0, 0.0]))
    # Across becomes down: a quarter of a turn.
    assert_close(waves(style), torch.rot90(straight, -1, (2, 3)), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("equivariance", EQUIVARIANCES)
def test_every_weight_gets_a_gradient(equivariance):
    torch.manual_seed(0)
    generator = StyleGan3Generator(**SMALL, layers=4, margin=3, equivariance=equivariance)
    (images := generator(torch.randn(4, 6))).square().sum().backward()
    assert images.shape == (4, 1, 32, 32)
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_magnitudes_move_once_for_each_update_and_never_in_evaluation():
    still = [f"optimizer.{player}.lr=1e-12" for player in ("generator", "discriminator")]

    def after_a_round(*options):
        game = built("model=stylegan3", *NARROW, *still, *options).game
        game.discriminator.deviation.group = 1  # groups of a batch in parts are others
        play_rounds(game, batches(8), 1)
        return game

    whole, halves = after_a_round(), after_a_round("accumulate=2")
    for name in ("generator.magnitudes.mean", "generator.mean_style.mean"):
        assert_close(whole.get_buffer(name), halves.get_buffer(name), rtol=1e-3, atol=1e-7)
    part = whole.generator.magnitudes
    # Two updates of a round make images: 1 was moved twice by a thousandth of the way.
    assert_close(part.mean, 1 + (1 - 0.999**2) * (part.latest - 1), rtol=0, atol=1e-3)
    assert not torch.equal(part.mean, torch.ones_like(part.mean))
    before = copy.deepcopy(whole.state_dict())
    Sampler(whole, {"generator": whole.generator})(0, 4)
    whole.generator.eval()(torch.randn(2, 16))
    assert all(torch.equal(value, before[name]) for name, value in whole.state_dict().items())
    # What comes into a layer is scaled by it.
    x = torch.randn(2, 3, 4, 4)
    part.mean[1] = 16.0
    assert_close(part.gain(1, x), torch.tensor(0.25))


class Sliding:
    """Samples that are windows of one wide picture, so that they move exactly; `off` is added where they move."""

    offers = ("translations",)

    def __init__(self, off=0.0):
        draw = torch.Generator().manual_seed(0)
        self.wide, self.off = torch.rand(64, 1, 48, 48, generator=draw) * 2 - 1, off

    def __call__(self, start, count):
        return self.wide[start : start + count, :, 8:40, 8:40]

    def moved(self, start, count, shift):
        found = []
        for image, (right, down) in zip(
            self.wide[start:], (shift * 32).round().int().tolist(), strict=False
        ):
            found.append(image[:, 8 - down : 40 - down, 8 - right : 40 - right])
        assert len(found) >= count == len(shift)
        return torch.stack(found[:count]) + self.off


def scored(sample, batch):
    metrics = Metrics([Equivariance(num_samples=50)], Conditions(batch_size=batch))
    metrics.prepare(FashionMini(), torch.device("cpu"))
    metrics.refuse_unmet(sample)
    (score,) = metrics.score(sample).values()
    return score


def test_eq_t_is_the_noise_between_a_moved_image_and_one_that_was_told_to_move():
    score = scored(Sliding(0.02), 50)
    assert score.values["metric/eq_t"] == pytest.approx(10 * math.log10(4 / 0.02**2), abs=1e-3)
    assert score.values == pytest.approx(scored(Sliding(0.02), 7).values)
    assert scored(Sliding(), 50).values["metric/eq_t"] == pytest.approx(106, abs=0.1)
    # Noise that stays: twice the variance of uniform numbers in [-1, 1].
    assert score.protocol["eq_t_of_still_images"] == pytest.approx(
        10 * math.log10(4 / (2 / 3)), abs=0.4
    )
    assert score.protocol["higher_is_better"]


def test_a_generator_that_cannot_be_moved_is_refused():
    metrics = Metrics([Equivariance()])
    game = built("model=dcgan").game
    sampler = Sampler(game, {"generator": game.generator})
    metrics.prepare(FashionMini(), torch.device("cpu"))
    with pytest.raises(
        ConfigError, match=r"eq_t needs translations, which this model does not offer"
    ):
        metrics.refuse_unmet(sampler)


def test_eq_t_of_a_game():
    game = built("model=stylegan3", *NARROW, "generator.margin=10").game
    score = scored(Sampler(game, {"generator": game.generator}), 25)
    assert score.values["metric/eq_t"] > 40
    assert score.values["metric/eq_t"] > score.protocol["eq_t_of_still_images"] + 15
