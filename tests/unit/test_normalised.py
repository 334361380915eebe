"""Normalised weights of any network, by one option: against arithmetic by hand, in training, resumed and refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

import gan_lab.train
from gan_lab.common.errors import ConfigError
from gan_lab.networks.layers.spectral import normalise, weighted
from gan_lab.storage.checkpoint import load_checkpoint
from tests.contracts.walk import built
from tests.test_resume import assert_same_state


def test_a_weight_is_a_direction_and_a_length_for_each_output() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 5, 3))
    images = torch.randn(2, 3, 8, 8)
    before, plain = network(images), [layer.weight.detach().clone() for layer in network]
    normalise("generator", network, "weight")
    assert_close(network(images), before)
    with torch.no_grad():
        for layer in network:
            layer.parametrizations.weight.original0.fill_(2.0)  # all lengths
    first = 2 * plain[0] / plain[0].flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
    second = 2 * plain[1] / plain[1].transpose(0, 1).flatten(1).norm(dim=1).reshape(1, -1, 1, 1)
    hidden = F.conv2d(images, first, network[0].bias)
    assert_close(network(images), F.conv_transpose2d(hidden, second, network[1].bias))


def test_any_network_has_spectral_weights() -> None:
    game = built("normalise={generator: spectral, discriminator: weight}", "model=gan").game
    for layer in weighted(game.generator.eval()):
        functions = layer.parametrizations.weight
        for _ in range(30):  # power iterations until the estimate is right
            functions.train()()
        functions.eval()
        outputs = (
            layer.weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else layer.weight
        )
        assert torch.linalg.matrix_norm(outputs.flatten(1), ord=2) <= 1.05
    assert all(
        hasattr(one.parametrizations.weight, "original1") for one in weighted(game.discriminator)
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["normalise={critic: spectral}"], "normalise.critic: no network of this model that learns is called so"),
        (["normalise={generator: batch}"], "normalise.generator"),
        (["model=sngan", "normalise={discriminator: weight}"], "normalised already; leave it as it is"),
        (["model=r3gan", "normalise={generator: weight}"], "begin at 0, and have no size to be divided by"),
        (["model=stylegan2", "normalise={generator: spectral}"], "the weights of ModulatedConv2d are not those of a"),
        (["model=unrolled_gan", "normalise={discriminator: weight}"], "cannot be unrolled"),
    ],
)  # fmt: skip
def test_what_cannot_be_normalised_is_refused(options: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        built(*options)


def test_a_run_goes_on_bit_for_bit_and_its_samples_have_the_weights(tmp_path) -> None:
    options = [
        "debug=tiny", "logger=none", "metrics=none", "model=dcgan",
        "normalise={generator: weight, discriminator: spectral}",
    ]  # fmt: skip
    for name, rounds in (("straight", 6), ("parts", 3)):
        folder = f"hydra.run.dir={tmp_path / name}"
        assert gan_lab.train.main([*options, f"max_rounds={rounds}", folder]) == 0
    resume = [f"resume={tmp_path / 'parts'}", "max_rounds=6"]
    assert gan_lab.train.main([*resume, f"hydra.run.dir={tmp_path / 'parts'}"]) == 0
    found = [
        load_checkpoint(tmp_path / name / "checkpoints" / "last.ckpt")
        for name in ("straight", "parts")
    ]
    assert_same_state(*found)
    loaded = gan_lab.load(tmp_path / "straight")
    assert loaded.sample(4, seed=1).isfinite().all()
