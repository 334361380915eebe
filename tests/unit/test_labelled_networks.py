"""Networks with labels: each way of reading them, against arithmetic of its own."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.networks.dcgan import DcganDiscriminator, DcganGenerator
from gan_lab.networks.fast.cpu import fast_cpu
from gan_lab.networks.layers.head import LogitHead
from gan_lab.networks.layers.labels import LabelledSequential
from gan_lab.networks.layers.norm import ConditionalBatchNorm2d, norm2d
from gan_lab.networks.mlp import MlpDiscriminator, MlpGenerator
from gan_lab.networks.perceptron import PerceptronDiscriminator, PerceptronGenerator
from gan_lab.networks.resnet import ResnetDiscriminator, ResnetGenerator

GENERATORS = [
    (MlpGenerator, "beside"), (PerceptronGenerator, "beside"), (DcganGenerator, "beside"),
    (DcganGenerator, "norm"), (ResnetGenerator, "beside"), (ResnetGenerator, "norm"),
]  # fmt: skip
DISCRIMINATORS = [
    (kind, labels)
    for kind in (MlpDiscriminator, PerceptronDiscriminator, DcganDiscriminator, ResnetDiscriminator)
    for labels in ("beside", "projection")
]
NAMES = {"ids": lambda x: x if isinstance(x, str) else x.__name__}
SIZE = {"resolution": 16, "channels": 3, "width": 8}
CLASSES = torch.tensor([0, 2, 1, 2, 0, 1])
LABELS = F.one_hot(CLASSES, 3).float()


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def shaken(network: nn.Module, std: float = 0.2) -> nn.Module:
    """With weights that are far from the first ones, zeros among them."""
    draw = torch.Generator().manual_seed(5)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=std, generator=draw)
    return network


def made(kind: type, labels: str, **options: object) -> nn.Module:
    torch.manual_seed(0)
    latent = {"latent_dim": 5} if "Generator" in kind.__name__ else {}
    return kind(labels=labels, label_dim=3, **SIZE, **latent, **options)


# Layers -----------------------------------------------------------------------------------------


def test_conditional_batch_norm_is_a_batch_norm_for_each_class() -> None:
    """Statistics of the whole batch, and the gains and biases of one plain norm per class; gradients too."""
    layer = shaken(norm2d("batch", 4, label_dim=3))
    assert isinstance(layer, ConditionalBatchNorm2d)
    plain = [nn.BatchNorm2d(4) for _ in range(3)]
    with torch.no_grad():
        for label, one in enumerate(plain):
            one.weight.copy_(1 + layer.gains.weight[label])
            one.bias.copy_(layer.biases.weight[label])
    x = noise(6, 4, 5, 5).requires_grad_()
    other = x.detach().clone().requires_grad_()
    found, upstream = layer(x, LABELS), noise(6, 4, 5, 5, seed=1)
    expected = torch.stack([plain[label](other)[i] for i, label in enumerate(CLASSES)])
    assert_close(found, expected)
    (found * upstream).sum().backward()
    (expected * upstream).sum().backward()
    assert_close(x.grad, other.grad)
    assert_close(layer.gains.weight.grad, torch.stack([one.weight.grad for one in plain]))
    assert_close(layer.biases.weight.grad, torch.stack([one.bias.grad for one in plain]))
    assert_close(layer.running_var, 0.9 * torch.ones(4) + 0.1 * x.detach().var(dim=(0, 2, 3)))
    statistics = {"running_mean": layer.running_mean, "running_var": layer.running_var}
    plain[2].load_state_dict({**plain[2].state_dict(), **statistics})
    assert_close(layer.eval()(x, LABELS)[1], plain[2].eval()(x)[1])


def test_small_gains_count_in_bfloat16() -> None:
    """A thousandth is no step that 1 can take in bfloat16, but the deviation over many pixels shows it."""
    layer = norm2d("batch", 1, label_dim=1)
    x = noise(64, 1, 32, 32).bfloat16()
    deviations = []
    for gain in (0.0, 1e-3):
        nn.init.constant_(layer.gains.weight, gain)
        with torch.autocast("cpu", torch.bfloat16):
            found = layer(x, torch.ones(64, 1))
        assert found.dtype == torch.bfloat16
        deviations.append(found.float().std().item())
    assert deviations[1] - deviations[0] == pytest.approx(1e-3, abs=3e-4)


def test_several_labels_add_their_gains_and_none_leaves_one() -> None:
    layer = shaken(norm2d("batch", 4, label_dim=3)).eval()
    x = noise(1, 4, 2, 2)
    gains = [
        layer(x, labels)
        for labels in torch.tensor([[[0.0, 0, 0]], [[1, 0, 0]], [[0, 1, 0]], [[1, 1, 0]]])
    ]
    assert_close(gains[0], x / (1 + layer.eps) ** 0.5)
    assert_close(gains[3] - gains[0], gains[1] + gains[2] - 2 * gains[0])


def test_projection_logits_by_hand() -> None:
    head = LogitHead(7, label_dim=3).requires_grad_(False)
    features = noise(6, 7)
    expected = [
        float(head.weight[0] @ f + head.bias[0] + head.projection.weight[:, label] @ f)
        for f, label in zip(features, CLASSES, strict=True)
    ]
    assert_close(head(features, LABELS), torch.tensor(expected))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(head(features, LABELS), head(features, LABELS).float())
        assert_close(head(features, LABELS), torch.tensor(expected))


def test_a_sequence_with_labels_has_the_names_of_torchs() -> None:
    layers = [nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU()]
    assert list(LabelledSequential(*layers).state_dict()) == list(
        nn.Sequential(*layers).state_dict()
    )
    x = noise(2, 3, 4, 4)
    assert torch.equal(LabelledSequential(*layers)(x), nn.Sequential(*layers)(x))


# Networks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "labels"), GENERATORS, **NAMES)
def test_labels_change_what_a_generator_makes(kind: type, labels: str) -> None:
    network = shaken(made(kind, labels)).eval()
    assert network.takes_labels
    z = noise(1, 5).expand(6, 5)
    fake = network(z, LABELS)
    assert fake.shape == (6, 3, 16, 16)
    assert_close(fake[0], fake[4])
    assert (fake[0] - fake[1]).abs().max() > 1e-3


@pytest.mark.parametrize(("kind", "labels"), GENERATORS, **NAMES)
def test_every_weight_of_a_labelled_generator_gets_a_gradient(kind: type, labels: str) -> None:
    network = made(kind, labels)
    (network(noise(6, 5), LABELS) * noise(6, 3, 16, 16, seed=1)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())


@pytest.mark.parametrize(("kind", "labels"), DISCRIMINATORS, **NAMES)
def test_labels_change_what_a_discriminator_says(kind: type, labels: str) -> None:
    network = shaken(made(kind, labels)).eval()
    assert network.takes_labels
    output = network(noise(1, 3, 16, 16).expand(6, -1, -1, -1), LABELS)
    assert output.features.shape == (6, network.offers["feature_dim"])
    assert_close(output.logits[0], output.logits[4])
    assert (output.logits[0] - output.logits[1]).abs() > 1e-4
    same = (output.features[0] - output.features[1]).abs().max() < 1e-6
    assert bool(same) == (labels == "projection")


@pytest.mark.parametrize(("kind", "labels"), DISCRIMINATORS, **NAMES)
def test_second_derivatives_with_labels_are_right(kind: type, labels: str) -> None:
    still = {"dropout": 0.0, "input_dropout": 0.0} if kind is MlpDiscriminator else {}
    network = shaken(made(kind, labels, **still)).double()
    x = noise(3, 3, 16, 16).double().requires_grad_()
    given = LABELS[:3].double()
    assert torch.autograd.gradgradcheck(lambda x: network(x, given).logits, x, fast_mode=True)


@pytest.mark.parametrize("pool", ["mean", "sum"])
def test_the_resnet_pools_as_it_is_told(pool: str) -> None:
    network = made(ResnetDiscriminator, "none", pool=pool)
    x = noise(2, 3, 16, 16)
    pixels = network.body(x).flatten(2)
    assert_close(network(x).features, getattr(torch, pool)(pixels, dim=2))


@pytest.mark.parametrize("kind", [DcganDiscriminator, ResnetDiscriminator])
def test_spectral_norm_holds_the_projection_too(kind: type) -> None:
    network = made(kind, "projection", spectral_norm=True)
    x = noise(6, 3, 16, 16)
    for _ in range(50):
        network(x, LABELS)
    assert torch.linalg.matrix_norm(network.head.projection.weight, 2).item() == pytest.approx(
        1, abs=1e-3
    )


@pytest.mark.parametrize(("kind", "labels"), [*GENERATORS, *DISCRIMINATORS], **NAMES)
def test_fast_layers_make_the_same_of_labels(kind: type, labels: str) -> None:
    network = made(kind, labels).eval()
    x = noise(6, 5) if "Generator" in kind.__name__ else noise(6, 3, 16, 16)
    expected = network(x, LABELS)
    assert_close(fast_cpu(network)(x, LABELS), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        (DcganGenerator, {"labels": "norm", "label_dim": None}, "^labels=norm: this data has no labels; choose data"),
        (MlpGenerator, {"labels": "norm", "label_dim": 3}, "^labels=norm: must be one of none, beside"),
        (ResnetGenerator, {"labels": "besides", "label_dim": 3}, "did you mean beside"),
        (DcganGenerator, {"labels": "norm", "label_dim": 3, "norm": "none"}, "^labels=norm: .* norm=batch"),
        (ResnetGenerator, {"labels": "norm", "label_dim": 3, "norm": "none"}, "^labels=norm: .* norm=batch"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused_in_words(
    kind: type, options: dict, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        kind(latent_dim=5, **SIZE, **options)
