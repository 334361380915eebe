"""Shapes, sizes, initial weights, double backward and errors of every family of networks."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.networks.dcgan import DcganDiscriminator, DcganGenerator
from gan_lab.networks.layers.norm import norm2d
from gan_lab.networks.layers.residual import ResidualBlock
from gan_lab.networks.mlp import Maxout, MlpDiscriminator, MlpGenerator
from gan_lab.networks.perceptron import PerceptronDiscriminator, PerceptronGenerator
from gan_lab.networks.resnet import ResnetDiscriminator, ResnetGenerator

FAMILIES = {
    "mlp": (MlpGenerator, MlpDiscriminator),
    "perceptron": (PerceptronGenerator, PerceptronDiscriminator),
    "dcgan": (DcganGenerator, DcganDiscriminator),
    "resnet": (ResnetGenerator, ResnetDiscriminator),
}
CONVOLUTIONAL = ("dcgan", "resnet")


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def images(resolution: int = 16, channels: int = 3, n: int = 4) -> Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.rand(n, channels, resolution, resolution, generator=draw) * 2 - 1


@pytest.mark.parametrize("resolution", [16, 32, 64, 128, 256])
@pytest.mark.parametrize("family", FAMILIES)
def test_any_resolution_passes_through(family: str, resolution: int) -> None:
    for channels in (1, 3, 4):
        check_shapes(family, resolution, channels)


@pytest.mark.parametrize("resolution", [1, 28])
def test_the_mlp_takes_resolutions_that_do_not_double(resolution: int) -> None:
    check_shapes("mlp", resolution, 1)


def check_shapes(family: str, resolution: int, channels: int) -> None:
    generator, discriminator = FAMILIES[family]
    size = {"resolution": resolution, "channels": channels, "width": 2}
    fake = generator(latent_dim=5, **size)(torch.randn(2, 5))
    assert fake.shape == (2, channels, resolution, resolution)
    assert fake.abs().max() <= 1
    logits, features, *_ = discriminator(**size)(fake)
    assert logits.shape == (2,)
    assert features.ndim == 2
    assert len(features) == 2


# Golden counts by arithmetic. The comments give weights, then biases and norms.
@pytest.mark.parametrize(
    ("network", "expected"),
    [
        # 100*1200 + 1200*1200 + 1200*784, + 1200 + 1200 + 784
        (MlpGenerator(resolution=28, channels=1, latent_dim=100), 2_503_984),
        # 784*1200 + 240*1200 + 240, + 1200 + 1200 + 1
        (MlpDiscriminator(resolution=28, channels=1), 1_231_441),
        # 128*128 + 128*256 + 256*512 + 512*1024 + 1024*784, + 128 + 256 + 512 + 1024 + 784
        (PerceptronGenerator(resolution=28, channels=1, latent_dim=128), 1_510_032),
        # 784*512 + 512*256 + 256, + 512 + 256 + 1
        (PerceptronDiscriminator(resolution=28, channels=1), 533_505),
        # 100*256*16 + 16*(256*128 + 128*64 + 64*3), + 2*(256+128+64) + 3: 1.07M
        (DcganGenerator(resolution=32, channels=3, latent_dim=100), 1_068_931),
        # 16*(3*64 + 64*128 + 128*256 + 256), + 2*(128+256) + 64 + 1: 0.66M
        (DcganDiscriminator(resolution=32, channels=3), 663_361),
        # 128*512*16 + 16*(512*256 + 256*128 + 128*64 + 64*3), + 2*(512+256+128+64) + 3: 3.81M
        (DcganGenerator(resolution=64, channels=3, latent_dim=128), 3_806_083),
        # 16*(3*64 + 64*128 + 128*256 + 256*512 + 512), + 2*(128+256+512) + 64 + 1: 2.77M
        (DcganDiscriminator(resolution=64, channels=3), 2_765_633),
        # the same weights, + 64+128+256+512 + 1: 2.76M
        (DcganDiscriminator(resolution=64, channels=3, norm="none"), 2_764_737),
        # 128*2048 + 3*(18*128*128 + 128*128) + 9*128*3, + 2048 + 3*(3+4)*128 + 256 + 3: 1.20M
        (ResnetGenerator(resolution=32, channels=3, latent_dim=128), 1_204_483),
        # 9*128*(3+128) + 3*128 + (3*18 + 1)*128*128 + 128, + (3+3+2+2)*128 + 1: 1.05M
        (ResnetDiscriminator(resolution=32, channels=3), 1_053_825),
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, nn.Module) else str(x),
)
def test_parameter_counts(network: nn.Module, expected: int) -> None:
    assert count(network) == expected


def test_dcgan_widths_double_up_to_a_cap() -> None:
    def widths(**options: int) -> list[int]:
        network = DcganDiscriminator(channels=3, **options)
        return [m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d)]

    assert widths(resolution=64, width=128) == [128, 256, 512, 1024]  # the paper's figure 1
    assert widths(resolution=128, width=4) == [4, 8, 16, 32, 32]
    assert widths(resolution=64, width=4, max_width=10) == [4, 8, 10, 10]
    with pytest.raises(ConfigError, match=r"^max_width=3: must lie in \[4, inf\)\."):
        widths(resolution=64, width=4, max_width=3)


NORMS = {"mlp": [None], "perceptron": [None], "dcgan": ["batch", "layer", "instance", "none"]}
NORMS["resnet"] = ["none", "layer", "batch"]
DISCRIMINATORS = [(family, norm) for family, norms in NORMS.items() for norm in norms]


@pytest.mark.parametrize(("family", "norm"), DISCRIMINATORS)
def test_a_gradient_penalty_reaches_every_weight(family: str, norm: str | None) -> None:
    torch.manual_seed(0)
    options = {} if norm is None else {"norm": norm}
    network = FAMILIES[family][1](resolution=16, channels=3, width=4, **options)
    network = network.to(memory_format=torch.channels_last)
    x = images().to(memory_format=torch.channels_last).requires_grad_(True)
    logits = network(x).logits
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    (gradient.square().sum() + logits.sum()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(("family", "norm"), DISCRIMINATORS)
def test_second_derivatives_are_right(family: str, norm: str | None) -> None:
    options = {"mlp": {"dropout": 0.0, "input_dropout": 0.0}, "perceptron": {}}.get(
        family, {"norm": norm}
    )
    torch.manual_seed(0)
    network = FAMILIES[family][1](resolution=16, channels=1, width=2, **options).double()
    for parameter in network.parameters():  # initial weights of 0.02 hide errors below atol
        nn.init.normal_(parameter, std=0.3)
    x = images(channels=1, n=2).double().requires_grad_(True)
    assert torch.autograd.gradgradcheck(lambda x: network(x).logits, x, fast_mode=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_weight_of_a_generator_gets_a_gradient(family: str) -> None:
    torch.manual_seed(0)
    network = FAMILIES[family][0](resolution=16, channels=3, latent_dim=6, width=4)
    (network(torch.randn(4, 6)) * images()).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_autocast_stays_close(family: str) -> None:
    torch.manual_seed(0)
    generator, discriminator = FAMILIES[family]
    size = {"resolution": 16, "channels": 3, "width": 8}
    g, d = generator(latent_dim=6, **size).eval(), discriminator(**size).eval()
    z = torch.randn(4, 6)
    fake = g(z)
    logits = d(fake).logits
    with torch.autocast("cpu", torch.bfloat16):
        half_fake = g(z)
        half_logits = d(half_fake).logits
    assert_close(half_fake.float(), fake, rtol=0, atol=0.05)
    assert_close(half_logits.float(), logits, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("family", CONVOLUTIONAL)
def test_channels_last_changes_nothing(family: str) -> None:
    torch.manual_seed(0)
    size = {"resolution": 32, "channels": 3, "width": 4}
    g, d = (kind(**size, **more) for kind, more in zip(FAMILIES[family], ({"latent_dim": 6}, {})))
    z = torch.randn(4, 6)
    fake = g(z)
    logits = d(fake).logits
    g, d = g.to(memory_format=torch.channels_last), d.to(memory_format=torch.channels_last)
    assert_close(g(z), fake, rtol=1e-5, atol=1e-5)
    assert_close(d(fake).logits, logits, rtol=1e-5, atol=1e-5)


def test_norms_are_standard_modules_that_the_engine_can_find() -> None:
    def batch_norms(network: nn.Module) -> int:
        return sum(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in network.modules())

    size = {"resolution": 64, "channels": 3, "width": 2}
    assert batch_norms(DcganGenerator(latent_dim=4, **size)) == 4
    assert batch_norms(DcganGenerator(latent_dim=4, norm="none", **size)) == 0
    assert batch_norms(DcganDiscriminator(**size)) == 3  # none in the first layer
    assert batch_norms(ResnetGenerator(latent_dim=4, **size)) == 2 * 4 + 1
    assert batch_norms(ResnetDiscriminator(**size)) == 0
    for norm in ("layer", "instance", "none"):
        assert batch_norms(DcganDiscriminator(norm=norm, **size)) == 0


@pytest.mark.parametrize("kind", ["layer", "instance", "batch"])
def test_norms_normalise_what_they_say(kind: str) -> None:
    x = images(8, 4, 5) * torch.arange(1.0, 6).view(5, 1, 1, 1) + 0.3
    axes = {"layer": (1, 2, 3), "instance": (2, 3), "batch": (0, 2, 3)}[kind]
    y = norm2d(kind, 4)(x)
    assert_close(y.mean(dim=axes), torch.zeros_like(y.mean(dim=axes)), rtol=0, atol=1e-5)
    assert_close(
        y.var(dim=axes, correction=0), torch.ones_like(y.mean(dim=axes)), rtol=0, atol=1e-3
    )


def test_dropout_is_there_when_asked_for() -> None:
    size = {"resolution": 16, "channels": 3, "width": 4}
    generator, z = DcganGenerator(latent_dim=4, dropout=0.5, **size), torch.randn(4, 4)
    assert not torch.equal(generator(z), generator(z))
    assert torch.equal(generator.eval()(z), generator(z))
    for network in (DcganDiscriminator(dropout=0.5, **size), MlpDiscriminator(**size)):
        assert not torch.equal(network(images()).logits, network(images()).logits)
        network.eval()
        assert torch.equal(network(images()).logits, network(images()).logits)
    assert not any(isinstance(m, nn.Dropout) for m in DcganDiscriminator(**size).modules())


def test_initial_weights_are_the_papers() -> None:
    torch.manual_seed(0)
    dcgan = DcganGenerator(resolution=32, channels=3, latent_dim=128)
    weights = next(m.weight for m in dcgan.modules() if isinstance(m, nn.ConvTranspose2d))
    assert_close(weights.std().item(), 0.02, rtol=0.02, atol=0)
    gains = torch.cat([m.weight for m in dcgan.modules() if isinstance(m, nn.BatchNorm2d)])
    assert_close(gains.mean().item(), 1.0, rtol=0, atol=0.005)
    assert_close(gains.std().item(), 0.02, rtol=0.2, atol=0)
    block = ResidualBlock(64, "none", "down")
    assert_close(block.conv1.weight.std().item(), math.sqrt(2 / (64 * 9)), rtol=0.02, atol=0)
    assert_close(block.shortcut.weight.std().item(), math.sqrt(1 / 64), rtol=0.05, atol=0)
    assert block.conv1.bias.abs().max() == 0
    mlp = MlpDiscriminator(resolution=28, channels=1)
    assert 0.0049 < mlp.body[2].linear.weight.abs().max() <= 0.005


def test_maxout_is_the_maximum_of_its_pieces() -> None:
    layer = Maxout(3, 2, pieces=2)
    nn.init.zeros_(layer.linear.weight)
    layer.linear.bias.data = torch.tensor([1.0, 4.0, -2.0, -3.0])  # unit 0: 1, 4; unit 1: -2, -3
    assert_close(layer(torch.zeros(1, 3)), torch.tensor([[4.0, -2.0]]), rtol=0, atol=0)


@pytest.mark.parametrize("resample", ["up", "down"])
def test_the_cheap_shortcut_equals_the_references_order(resample: str) -> None:
    block = ResidualBlock(3, "none", resample)
    nn.init.zeros_(block.conv2.weight)  # the residual branch is silent, its bias is 0
    x = images(8, 3)
    upsampled = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    expected = block.shortcut(upsampled) if resample == "up" else None
    if expected is None:
        expected = block.shortcut(x).unfold(2, 2, 2).unfold(3, 2, 2).mean(dim=(4, 5))
    assert_close(block(x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("family", CONVOLUTIONAL)
@pytest.mark.parametrize("resolution", [8, 33, 48, 1024])
def test_resolutions_that_do_not_double_are_refused(family: str, resolution: int) -> None:
    message = (
        f"data.resolution={resolution}: the {family} networks double from 4, "
        "use 16, 32, 64, 128, 256 or 512."
    )
    generator, discriminator = FAMILIES[family]
    with pytest.raises(ConfigError) as caught:
        generator(resolution=resolution, channels=3, latent_dim=4)
    assert str(caught.value) == message
    with pytest.raises(ConfigError) as caught:
        discriminator(resolution=resolution, channels=3)
    assert str(caught.value) == message


@pytest.mark.parametrize("family", FAMILIES)
def test_options_out_of_range_are_named(family: str) -> None:
    generator, discriminator = FAMILIES[family]
    size = {"resolution": 16, "channels": 3}
    with pytest.raises(ConfigError, match=r"^width=0: must lie in \[1, inf\)\."):
        generator(latent_dim=4, width=0, **size)
    with pytest.raises(ConfigError, match=r"^width=0: must lie in \[1, inf\)\."):
        discriminator(width=0, **size)
    if family in CONVOLUTIONAL:
        with pytest.raises(ConfigError, match=r"^norm=layer: must be one of batch, none"):
            generator(latent_dim=4, norm="layer", **size)
        with pytest.raises(ConfigError, match=r"^norm=bach: .*did you mean batch\?"):
            discriminator(norm="bach", **size)
    if family in ("mlp", "dcgan"):
        with pytest.raises(ConfigError, match=r"^dropout=1: must lie in \[0, 1\)\."):
            discriminator(dropout=1, **size)
