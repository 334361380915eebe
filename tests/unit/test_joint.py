"""Encoders, and discriminators of pairs of an image and a latent."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.networks.encoder import DcganEncoder, PerceptronEncoder
from gan_lab.networks.fast.cpu import fast_cpu
from gan_lab.networks.joint import DcganJointDiscriminator, PerceptronJointDiscriminator

ENCODERS = [DcganEncoder, PerceptronEncoder]
JOINT = [DcganJointDiscriminator, PerceptronJointDiscriminator]
SIZE = {"channels": 3, "latent_dim": 5, "width": 8}
LABELS = F.one_hot(torch.tensor([0, 2, 1, 0]), 3).float()


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def made(kind: type, **options: object) -> nn.Module:
    torch.manual_seed(0)
    return kind(**{"resolution": 16, **SIZE, **options})


def shaken(network: nn.Module) -> nn.Module:
    draw = torch.Generator().manual_seed(5)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2, generator=draw)
    return network


@pytest.mark.parametrize("kind", ENCODERS)
def test_an_image_has_one_latent_or_a_normal_distribution_of_them(kind: type) -> None:
    x, drawn = noise(4, 3, 16, 16), noise(4, 5, seed=1)
    network = shaken(made(kind)).eval()
    assert network(x).shape == (4, 5)
    assert torch.equal(network(x, drawn), network(x))
    network = shaken(made(kind, stochastic=True)).eval()
    features = network.body(x)
    for entry in range(5):
        weight, bias = network.head.weight, network.head.bias
        mean = features @ weight[entry] + bias[entry]
        deviation = (features @ weight[entry + 5] + bias[entry + 5]).exp()
        assert_close(network(x)[:, entry], mean)
        assert_close(network(x, drawn)[:, entry], mean + deviation * drawn[:, entry])


@pytest.mark.parametrize("kind", ENCODERS)
def test_latents_are_float32_whatever_the_precision(kind: type) -> None:
    network = made(kind).eval()
    x = noise(4, 3, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        found = network(x)
    assert found.dtype == torch.float32
    assert_close(found, network(x), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("kind", JOINT)
def test_a_pair_is_judged_by_both(kind: type) -> None:
    network = shaken(made(kind)).eval()
    x, z = noise(4, 3, 16, 16), noise(4, 5, seed=1)
    output = network(x, z=z)
    assert output.logits.shape == (4,)
    assert output.features.shape == (4, network.offers["feature_dim"])
    assert_close(output.logits, output.features @ network.head.weight[0] + network.head.bias)
    assert (network(x, z=z.flip(0)).logits - output.logits).abs().max() > 1e-3
    assert (network(x.flip(0), z=z).logits - output.logits).abs().max() > 1e-3
    assert_close(network(x.flip(0), z=z.flip(0)).logits, output.logits.flip(0))


@pytest.mark.parametrize("labels", ["beside", "projection"])
@pytest.mark.parametrize("kind", JOINT)
def test_labels_change_the_judgement(kind: type, labels: str) -> None:
    network = shaken(made(kind, labels=labels, label_dim=3)).eval()
    x, z = noise(1, 3, 16, 16).expand(4, -1, -1, -1), noise(1, 5).expand(4, -1)
    logits = network(x, LABELS, z=z).logits
    assert_close(logits[0], logits[3])
    assert (logits[0] - logits[1]).abs() > 1e-3


@pytest.mark.parametrize("kind", JOINT)
def test_second_derivatives_at_images_and_latents_are_right(kind: type) -> None:
    network = shaken(made(kind)).double()
    x = noise(3, 3, 16, 16).double().requires_grad_()
    z = noise(3, 5, seed=1).double().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x, z: network(x, z=z).logits, (x, z), fast_mode=True)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("kind", JOINT)
def test_every_weight_gets_a_gradient_and_fast_layers_make_the_same(
    kind: type, encoder: type
) -> None:
    judge, inverse = made(kind), made(encoder, stochastic=True)
    x, drawn = noise(4, 3, 16, 16), noise(4, 5, seed=1)
    expected = judge(x, z=inverse(x, drawn))
    (expected.logits * torch.arange(4)).sum().backward()
    for network in (judge, inverse):
        assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())
    found = fast_cpu(judge)(x, z=fast_cpu(inverse)(x, drawn))
    assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_spectral_norm_holds_all_layers() -> None:
    network = made(DcganJointDiscriminator, spectral_norm=True)
    for _ in range(30):
        network(noise(4, 3, 16, 16), z=noise(4, 5))
    layers = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    assert len(layers) == 2 + 3 + 1  # over the image, the latent and the pair; the logit
    for layer in layers:
        norm = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
        assert norm.item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("resolution", [1, 28])
def test_perceptrons_take_any_resolution(resolution: int) -> None:
    x = noise(2, 3, resolution, resolution)
    z = made(PerceptronEncoder, resolution=resolution)(x)
    assert made(PerceptronJointDiscriminator, resolution=resolution)(x, z=z).logits.shape == (2,)


@pytest.mark.parametrize("kind", [DcganEncoder, DcganJointDiscriminator])
def test_sizes_that_do_not_double_are_refused(kind: type) -> None:
    with pytest.raises(ConfigError, match=r"^data\.resolution=48: "):
        made(kind, resolution=48)


def test_a_game_without_latents_for_it_is_told_so() -> None:
    with pytest.raises(ConfigError, match=r"^discriminator: judges images together .* choose "):
        made(DcganJointDiscriminator)(noise(2, 3, 16, 16))


def test_data_without_labels_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^labels=beside: this data has no labels"):
        made(DcganJointDiscriminator, labels="beside")
