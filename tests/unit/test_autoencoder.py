"""Autoencoders that judge: the energy by hand, sizes, derivatives, and that they learn to reconstruct."""

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.networks.autoencoder import AutoencoderDiscriminator, AutoencoderGenerator
from gan_lab.networks.fast.cpu import fast_cpu


def images(resolution: int = 16, channels: int = 3, n: int = 4, seed: int = 1) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(n, channels, resolution, resolution, generator=draw) * 2 - 1


def made(**options: object) -> AutoencoderDiscriminator:
    torch.manual_seed(0)
    return AutoencoderDiscriminator(
        **{"resolution": 16, "channels": 3, "width": 8, "code": 6, **options}
    )


@pytest.mark.parametrize(("error", "exponent"), [("absolute", 1), ("squared", 2)])
def test_the_logit_is_minus_the_error_of_a_pixel(error: str, exponent: int) -> None:
    network, x = made(error=error), images()
    again = network.reconstruct(x)
    assert again.shape == x.shape
    expected = [
        -sum(float(abs(a - b) ** exponent) for a, b in zip(one.flatten(), other.detach().flatten()))
        / one.numel()
        for one, other in zip(x, again, strict=True)
    ]
    output = network(x)
    assert_close(output.logits, torch.tensor(expected), rtol=1e-4, atol=1e-5)
    assert output.features.shape == (4, network.offers["feature_dim"]) == (4, 6)
    assert_close(network.decoder(output.features), again)


def test_errors_are_taken_in_float32() -> None:
    """A shift of a thousandth of all pixels is no step of bfloat16 near 1, and yet it counts."""
    network = made()
    nn.init.zeros_(network.decoder[-1].weight)
    with torch.autocast("cpu", torch.bfloat16):
        logits = [network(torch.full((1, 3, 16, 16), value)).logits for value in (0.9, 0.901)]
    assert logits[0].dtype == torch.float32
    assert (logits[0] - logits[1]).item() == pytest.approx(0.001, rel=1e-3)


@pytest.mark.parametrize("resolution", [16, 32, 64, 128, 256])
def test_any_resolution_passes_through(resolution: int) -> None:
    size = {"resolution": resolution, "channels": 1, "width": 2}
    fake = AutoencoderGenerator(latent_dim=5, **size)(torch.randn(2, 5))
    assert fake.shape == (2, 1, resolution, resolution)
    assert fake.abs().max() <= 1
    network = AutoencoderDiscriminator(**size)
    assert network.reconstruct(fake).shape == fake.shape
    assert network(fake).logits.shape == (2,)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        # 64*(64*64) + 9*(6*64*64 + 64*3), + 64*64 + 6*64 + 3
        (AutoencoderGenerator(resolution=32, channels=3, latent_dim=64), 489_539),
        # The decoder, and the encoder: 9*(3*64 + 2*64*64 + 64*128 + 128*128 + 128*192 + 192*192) + 192*64*64,
        # + 3*64 + 2*128 + 2*192 + 64
        (AutoencoderDiscriminator(resolution=32, channels=3), 2_126_467),
    ],
    ids=["generator", "discriminator"],
)
def test_parameter_counts(network: nn.Module, expected: int) -> None:
    assert sum(p.numel() for p in network.parameters()) == expected


@pytest.mark.parametrize("error", ["absolute", "squared"])
def test_second_derivatives_are_right(error: str) -> None:
    network = made(channels=1, width=2, error=error).double()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    x = images(channels=1, n=2).double().requires_grad_(True)
    assert torch.autograd.gradgradcheck(lambda x: network(x).logits, x, fast_mode=True)


def test_every_weight_gets_a_gradient() -> None:
    discriminator = made()
    generator = AutoencoderGenerator(resolution=16, channels=3, latent_dim=5, width=8)
    fake = generator(torch.randn(4, 5))
    discriminator(fake).logits.sum().backward()
    for network in (generator, discriminator):
        assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())


def test_fast_layers_make_the_same() -> None:
    network, x = made(resolution=32), images(32)
    expected = network(x)
    assert_close(fast_cpu(network)(x), expected, rtol=1e-4, atol=1e-5)


def test_an_image_seen_often_has_less_energy_than_another() -> None:
    network = made()
    seen, other = images(n=1), images(n=1, seed=2)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        (-network(seen).logits).sum().backward()
        optimizer.step()
    with torch.no_grad():
        assert -network(seen).logits < 0.7 * -network(other).logits


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"resolution": 48}, r"^data\.resolution=48: "),
        ({"width": 0}, "^width=0: "),
        ({"code": 0}, "^code=0: "),
        ({"error": "square"}, r"^error=square: .*did you mean squared"),
    ],
)
def test_options_out_of_range_are_named(options: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        made(**options)
