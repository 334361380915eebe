"""Attention, BigGAN's networks and those with a bottleneck, against arithmetic of their own."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.networks.biggan import BigganDiscriminator, BigganGenerator
from gan_lab.networks.biggan_deep import (
    BigganDeepDiscriminator,
    BigganDeepGenerator,
    FallingBottleneck,
    RisingBottleneck,
)
from gan_lab.networks.fast.cpu import fast_cpu
from gan_lab.networks.layers.attention import SelfAttention
from gan_lab.networks.layers.labels import LabelEmbedding
from gan_lab.networks.layers.norm import ConditionalBatchNorm2d
from gan_lab.networks.resnet import ResnetDiscriminator, ResnetGenerator

GENERATORS = [BigganGenerator, BigganDeepGenerator]
DISCRIMINATORS = [BigganDiscriminator, BigganDeepDiscriminator]
LABELS = F.one_hot(torch.tensor([0, 2, 1, 2]), 3).float()


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def shaken(network: nn.Module, std: float = 0.2) -> nn.Module:
    draw = torch.Generator().manual_seed(5)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=std, generator=draw)
    return network


def generator(kind: type = BigganGenerator, resolution: int = 32, **options: object) -> nn.Module:
    torch.manual_seed(0)
    options = {
        "width": 8,
        "latent_dim": 8,
        "labels": "norm",
        "label_dim": 3,
        "embedding": 5,
    } | options
    return kind(resolution=resolution, channels=3, **options)


def discriminator(
    kind: type = BigganDiscriminator, resolution: int = 32, **options: object
) -> nn.Module:
    torch.manual_seed(0)
    options = {"width": 8, "labels": "projection", "label_dim": 3} | options
    return kind(resolution=resolution, channels=3, **options)


# Attention --------------------------------------------------------------------------------------


def test_attention_is_torchs_without_its_scale() -> None:
    layer = shaken(SelfAttention(16), std=0.5)
    x = noise(2, 16, 6, 4)
    rows = lambda images: images.flatten(2).transpose(1, 2)  # noqa: E731
    query, key, value = (
        layer.query(x),
        F.max_pool2d(layer.key(x), 2),
        F.max_pool2d(layer.value(x), 2),
    )
    assert (query.shape[1], key.shape[1], value.shape[1]) == (2, 2, 8)
    read = F.scaled_dot_product_attention(rows(query), rows(key), rows(value), scale=1.0)
    expected = x + layer.scale * layer.output(read.transpose(1, 2).unflatten(2, (6, 4)))
    assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)


def test_attention_begins_as_nothing_and_can_be_differentiated_twice() -> None:
    layer = SelfAttention(8)
    x = noise(2, 8, 4, 4)
    assert torch.equal(layer(x), x)
    layer(x).sum().backward()
    assert layer.scale.grad != 0, "it learns to attend"
    layer = shaken(layer, std=0.5).double()
    y = x.double().requires_grad_()
    assert torch.autograd.gradgradcheck(layer, y, fast_mode=True)


@pytest.mark.parametrize(
    ("images", "at", "found"),
    [(16, 32, 8), (32, 32, 16), (128, 32, 32), (64, None, None)],
)
def test_the_resnet_attends_at_one_resolution(
    images: int, at: int | None, found: int | None
) -> None:
    sizes: dict[str, list[int]] = {"generator": [], "discriminator": []}
    size = {"resolution": images, "channels": 1, "width": 2, "attention": at}
    made = {
        "generator": ResnetGenerator(latent_dim=4, **size),
        "discriminator": ResnetDiscriminator(**size),
    }
    for name, network in made.items():
        for module in network.modules():
            if isinstance(module, SelfAttention):
                module.register_forward_hook(lambda m, i, o, n=name: sizes[n].append(o.shape[-1]))
    made["discriminator"](made["generator"](noise(2, 4)))
    assert sizes == {name: [found] if found else [] for name in made}


@pytest.mark.parametrize(
    "kind", [*GENERATORS, *DISCRIMINATORS, ResnetGenerator, ResnetDiscriminator]
)
def test_an_attention_that_is_nowhere_is_refused(kind: type) -> None:
    latent = {"latent_dim": 8} if "Generator" in kind.__name__ else {}
    with pytest.raises(ConfigError, match=r"^attention=24: must be 8, 16, 32, 64 or 128, or null"):
        kind(resolution=32, channels=1, width=1, attention=24, **latent)


# BigGAN -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("resolution", [32, 64, 128, 256])
@pytest.mark.parametrize(
    ("made", "judged"), list(zip(GENERATORS, DISCRIMINATORS)), ids=["biggan", "deep"]
)
def test_any_resolution_passes_through(made: type, judged: type, resolution: int) -> None:
    for labels, given in (("none", ()), ("norm", (LABELS[:2],))):
        fake = generator(made, resolution, width=1, labels=labels)(noise(2, 8), *given)
        assert fake.shape == (2, 3, resolution, resolution)
        assert fake.abs().max() <= 1
    network = discriminator(judged, resolution, width=1)
    logits, features, places, *_ = network(fake, LABELS[:2])
    assert logits.shape == (2,)
    assert features.shape == (2, network.offers["feature_dim"])
    assert places.shape[1] == network.offers["local_dim"]
    assert_close(features, places.sum(dim=(2, 3)))


@pytest.mark.parametrize(
    ("networks", "width", "latent", "planes", "millions"),
    [
        ((BigganGenerator, BigganDiscriminator), 96, 120, 3, (70.4, 88.0)),
        ((BigganDeepGenerator, BigganDeepDiscriminator), 128, 128, 128, (50.4, 34.6)),
    ],
    ids=["biggan", "deep"],
)  # fmt: skip
def test_parameters_are_as_many_as_the_papers(networks, width, latent, planes, millions) -> None:
    """At 128 px with the 1000 classes of ImageNet, appendix B.

    The 50.4 million of the deep generator are met with a last convolution to as many planes as it has channels, of
    which the published network keeps three.
    """
    size = {"resolution": 128, "width": width, "label_dim": 1000, "spectral_norm": False}
    with torch.device("meta"):
        made = (
            networks[0](latent_dim=latent, labels="norm", channels=planes, **size),
            networks[1](labels="projection", channels=3, **size),
        )
    counts = [sum(p.numel() for p in network.parameters()) / 1e6 for network in made]
    assert counts == pytest.approx(millions, abs=0.05)


def test_pieces_of_the_latent_act_in_their_block_only() -> None:
    """A piece changes the gains of its own block and of no other; pieces are of nearly one size."""
    network = shaken(generator(latent_dim=10, spectral_norm=False)).eval()
    assert network.pieces == [3, 3, 2, 2]
    seen: list[Tensor] = []
    for module in network.modules():
        if isinstance(module, ConditionalBatchNorm2d):
            module.register_forward_hook(lambda m, given, out: seen.append(given[1].detach()))
    z = noise(1, 10).expand(4, -1).clone()
    z[1, 4] += 1  # of the second piece, which is the first block's
    z[2, 9] += 1
    network(z, LABELS[:1].expand(4, -1))
    changed = [[bool((one[i] != one[0]).any()) for i in (1, 2)] for one in seen]
    assert changed == [[True, False]] * 2 + [[False, False]] * 2 + [[False, True]] * 2
    assert_close(seen[0][0, 3:], LABELS[0] @ network.embedding.weight)
    with pytest.raises(ConfigError, match=r"^latent.dim=3: biggan cuts the latent into 4 pieces"):
        generator(latent_dim=3)


def test_the_deep_one_gives_the_whole_latent_to_every_block() -> None:
    network = generator(BigganDeepGenerator, latent_dim=3)
    gains = [m.gains for m in network.modules() if isinstance(m, ConditionalBatchNorm2d)]
    assert len(gains) == 3 * 2 * 4
    assert {layer.in_features for layer in gains} == {3 + 5}


@pytest.mark.parametrize("kind", [*GENERATORS, *DISCRIMINATORS])
def test_first_weights_are_orthogonal(kind: type) -> None:
    options = {"width": 4, "spectral_norm": False}
    network = (generator if "Generator" in kind.__name__ else discriminator)(kind, **options)
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | LabelEmbedding):
            matrix = module.weight.detach().flatten(1)
            short = min(matrix.shape)
            gram = matrix @ matrix.T if len(matrix) == short else matrix.T @ matrix
            assert_close(gram, torch.eye(short), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", [*GENERATORS, *DISCRIMINATORS])
def test_spectral_norm_is_everywhere_but_in_the_embedding(kind: type) -> None:
    network = (generator if "Generator" in kind.__name__ else discriminator)(kind)
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            weight = module.weight.detach().flatten(1)
            assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, abs=1e-3)
            assert hasattr(module, "parametrizations")


@pytest.mark.parametrize("kind", GENERATORS)
def test_every_weight_of_a_generator_gets_a_gradient(kind: type) -> None:
    network = generator(kind)
    for module in network.modules():
        if isinstance(module, SelfAttention):
            nn.init.ones_(module.scale)
    (network(noise(4, 8), LABELS) * noise(4, 3, 32, 32, seed=1)).sum().backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    assert not silent


@pytest.mark.parametrize("kind", DISCRIMINATORS)
def test_second_derivatives_are_right(kind: type) -> None:
    network = shaken(discriminator(kind, width=2, spectral_norm=False)).double()
    x = noise(2, 3, 32, 32).double().requires_grad_()
    given = LABELS[:2].double()
    assert torch.autograd.gradgradcheck(lambda x: network(x, given).logits, x, fast_mode=True)


@pytest.mark.parametrize("kind", GENERATORS)
def test_a_generator_can_be_differentiated_twice(kind: type) -> None:
    network = shaken(generator(kind, width=2, spectral_norm=False)).double().eval()
    z = noise(2, 8).double().requires_grad_()
    given = LABELS[:2].double()
    assert torch.autograd.gradgradcheck(lambda z: network(z, given), z, fast_mode=True)


@pytest.mark.parametrize("kind", [*GENERATORS, *DISCRIMINATORS])
def test_fast_layers_and_bfloat16_make_the_same(kind: type) -> None:
    makes = "Generator" in kind.__name__
    network = (generator if makes else discriminator)(kind).eval()
    x = noise(4, 8) if makes else noise(4, 3, 32, 32)
    what = (lambda: network(x, LABELS)) if makes else (lambda: network(x, LABELS).logits)
    network.requires_grad_(False)
    expected = what()
    fast_cpu(network)
    assert_close(what(), expected, rtol=1e-4, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        half = what()
    assert (half.float() - expected).abs().max() < 0.05 * max(1, float(expected.abs().max()))


def test_shortcuts_of_bottlenecks_drop_and_gain_channels() -> None:
    x = noise(2, 8, 4, 4)
    rising = RisingBottleneck(8, 4, nn.BatchNorm2d, up=True)
    falling = FallingBottleneck(8, 12, down=True)
    for last in (rising.convs[3], falling.widen):
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    assert_close(rising(x), x[:, :4].repeat_interleave(2, 2).repeat_interleave(2, 3))
    means = x.unfold(2, 2, 2).unfold(3, 2, 2).mean(dim=(4, 5))
    found = falling(x)
    assert_close(found[:, :8], means)
    assert_close(found[:, 8:], falling.gain(means))


@pytest.mark.parametrize("kind", [*GENERATORS, *DISCRIMINATORS])
@pytest.mark.parametrize("resolution", [16, 28, 48, 512])
def test_other_resolutions_are_refused_in_words(kind: type, resolution: int) -> None:
    make = generator if "Generator" in kind.__name__ else discriminator
    with pytest.raises(
        ConfigError,
        match=rf"^data.resolution={resolution}: the biggan networks are made for 32, 64",
    ):
        make(kind, resolution)
