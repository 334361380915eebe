"""Reals and fakes through the discriminator together: allowed where images do not meet inside, and then the same."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from gan_lab.config.command import choices_of
from gan_lab.config.resume import override_key
from gan_lab.games.gan import GAN
from gan_lab.networks.mlp import MlpDiscriminator
from tests.conftest import batches, gradients_of
from tests.contracts.walk import PENALTIES, built

QUIET = ("discriminator.dropout=0", "discriminator.input_dropout=0", "precision=32-true")


def step_of_the_discriminator(*overrides, one_pass):
    """Gradients and logged values of one update, and how often the discriminator was called."""
    given = {override_key(override) for override in overrides}
    quiet = [override for override in QUIET if override_key(override) not in given]
    game = built("discriminator=mlp", *quiet, *overrides).game
    game.one_pass = one_pass
    game.configure_optimizers()
    calls = []
    game.discriminator.register_forward_hook(lambda *call: calls.append(call))
    step = game.script[0]
    gradients = gradients_of(game, step, game.playing["discriminator"], next(batches()))
    return gradients, game.read_meter(), len(calls)


def judges_alone(discriminator):
    """Whether a batch's logits are those of its images one by one, in training."""
    for module in discriminator.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    images = next(batches(8))["images"]
    together = discriminator(images).logits
    alone = torch.cat([discriminator(image[None]).logits for image in images])
    return torch.allclose(together, alone, rtol=1e-5, atol=1e-6)


def test_who_asks_for_one_pass_judges_each_image_alone():
    """A network with batch statistics must not ask."""
    networks = [
        built(f"discriminator={name}").game.discriminator for name in choices_of("discriminator")
    ]
    asking = [network for network in networks if getattr(network, "one_pass", False)]
    assert asking
    assert all(judges_alone(network) for network in asking)
    assert not judges_alone(
        built("discriminator=dcgan", "discriminator.norm=batch").game.discriminator
    )


@pytest.mark.parametrize("loss", choices_of("loss"))
def test_one_pass_is_two_passes(loss):
    one, values, calls = step_of_the_discriminator(f"loss={loss}", one_pass=True)
    two, values_of_two, calls_of_two = step_of_the_discriminator(f"loss={loss}", one_pass=False)
    assert (calls, calls_of_two) == (1, 2)
    for a, b in zip(one, two, strict=True):
        assert_close(a, b, rtol=1e-4, atol=1e-7)
    assert values == pytest.approx(values_of_two, rel=1e-5)


@pytest.mark.parametrize(
    ("option", "tolerance"), [("accumulate=2", 1e-4), ("precision=bf16-mixed", 3e-2)]
)
def test_one_pass_is_two_passes_in_parts_and_in_bf16(option, tolerance):
    one, _, calls = step_of_the_discriminator(option, one_pass=True)
    two, _, calls_of_two = step_of_the_discriminator(option, one_pass=False)
    assert 2 * calls == calls_of_two
    one, two = (torch.cat([g.flatten() for g in gradients]) for gradients in (one, two))
    assert (one - two).norm() <= tolerance * two.norm()


def test_batch_statistics_keep_the_passes_apart():
    """Whatever a network asks for: its subclass may have added a normalisation."""
    network = MlpDiscriminator(resolution=16, channels=1, width=4)
    network.body.append(torch.nn.BatchNorm1d(4))
    parts = built("model=gan").game
    game = GAN(
        generator=parts.generator, discriminator=network, latent=parts.latent, loss=parts.adversarial, penalty={}
    )  # fmt: skip
    assert not game.one_pass
    assert parts.one_pass


@pytest.mark.parametrize("penalty", PENALTIES)
def test_penalties_find_what_they_differentiate(penalty):
    one, values, _ = step_of_the_discriminator(f"penalty=[{penalty}]", one_pass=True)
    two, values_of_two, _ = step_of_the_discriminator(f"penalty=[{penalty}]", one_pass=False)
    for a, b in zip(one, two, strict=True):
        assert_close(a, b, rtol=1e-4, atol=1e-7)
    assert values == pytest.approx(values_of_two, rel=1e-5)
