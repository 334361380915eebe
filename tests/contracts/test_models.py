"""Every model with every loss: it composes, builds, trains a round, saves, loads and samples."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from gan_lab.config.groups import Groups
from gan_lab.generation.sampling import Sampler
from gan_lab.storage.checkpoint import load_checkpoint, save_checkpoint
from tests.conftest import batches, differing, play_rounds, weights
from tests.contracts.walk import (
    MODELS,
    NOISE_OF_IMAGES,
    PENALTIES,
    built,
    content,
    files,
    for_images,
    resting,
)

BATCH = 8
# Penalties that wait for many updates by themselves.
AT_ONCE = {"lecam": ["penalty.lecam.start=0"]}

# Parameters that a loss leaves where they are, and why; at most five entries. "always" is checked too.
UNMOVED = {
    ("wasserstein", "discriminator.head.bias"): (
        "always", "the critic's loss is a difference of logits: a constant cancels"
    ),
    ("relativistic", "discriminator.head.bias"): (
        "always", "both sides read differences of logits: a constant cancels"
    ),
    ("energy", "discriminator.head.bias"): (
        "at first", "while no margin is met the gradients of reals and fakes are -1 and 1"
    ),
    ("hinge", "discriminator.head.bias"): (
        "at first", "while no margin is met the gradients of reals and fakes are -1 and 1"
    ),
}  # fmt: skip


# Penalties that see a constant added to all logits; those of differences by rounding, which Adam makes as large as any.
LEVELS = ("logit_centring", "r1_fd", "r2_fd", "drift")


def behind_zeros(game):
    """Whether some weight is 0 at first, such as the scale of an attention: what is behind it moves a round later."""
    return any(
        not bool(value.any()) and not name.endswith("bias")
        for name, value in game.named_parameters()
    )


def moved(game, rounds, stream):
    """Names of parameters that changed a bit in so many rounds."""
    before = {name: value.detach().clone() for name, value in game.named_parameters()}
    play_rounds(game, stream, rounds)
    return {name for name, value in game.named_parameters() if not torch.equal(before[name], value)}


def rounds_of(game):
    """Rounds until the generator moves."""
    return math.ceil(game.n_critic.at(0))


def terms_of(game):
    """Keys under which the terms of a game are logged."""
    return {f"loss/{step.player}/{term}" for step in game.steps() for term in step.terms}


def _with_losses():
    """Every model with its own loss and one other each time, with all of them in the slow suite."""
    losses = Groups().choices("loss")
    for at, model in enumerate(MODELS):
        (file,) = [file for file in files("model") if file.stem == model]
        chosen = [
            one["override /loss"] for one in content(file)["defaults"] if "override /loss" in one
        ]
        now = {*(chosen or ["non_saturating"]), losses[at % len(losses)]}
        for loss in losses:
            yield pytest.param(model, loss, marks=() if loss in now else pytest.mark.slow)


@pytest.mark.parametrize(("model", "loss"), _with_losses())
def test_model_with_loss(model, loss, tmp_path):
    overrides = [f"model={model}", f"loss={loss}"]
    parts = built(*overrides)
    game, source = parts.game, parts.source
    stream = batches(BATCH, source.channels, source.resolution)

    # It trains a round of both players: what should move moves, and no more stays than is explained.
    parameters = {name for name, _ in game.named_parameters()}
    again = behind_zeros(game)
    unmoved = parameters - moved(game, rounds_of(game), stream)
    assert game.clock.generator_updates == 1
    if again:
        unmoved -= moved(game, rounds_of(game), stream)
    explained = {name for key, name in UNMOVED if key == loss}
    asleep = resting(game)
    assert asleep <= unmoved, "these belong to levels whose turn has not come"
    explained |= asleep
    # An autoencoder has no last layer.
    always = parameters & {
        name for (key, name), (when, _) in UNMOVED.items() if key == loss and when == "always"
    }
    if any(name in LEVELS for name in game.penalties):
        always = set()
    # A term that judges in the discriminator's place leaves its last layer alone.
    if any(hasattr(term, "judge") for term in game.auxiliaries.values()):
        explained |= {name for name in parameters if name.startswith("discriminator.head.")}
    assert unmoved <= explained, "these parameters of a player did not move"
    assert always <= unmoved, "an exception is not needed any more"

    # It logs every term, and none is zero; what a loss measures beside may be.
    values = game.read_meter()
    measured = {key: values.pop(key) for key in [*values] if key.startswith("measure/")}
    assert all(math.isfinite(value) for value in measured.values()), measured
    assert terms_of(game) <= values.keys()
    assert {"loss/generator", "loss/discriminator", "logits/real", "logits/fake"} <= values.keys()
    assert all(math.isfinite(value) and value != 0 for value in values.values()), values

    # It saves, and a fresh build takes everything over.
    save_checkpoint(game.snapshot(), tmp_path / "last.ckpt")
    fresh = built(*overrides, "seed=1").game
    fresh.restore(load_checkpoint(tmp_path / "last.ckpt"))
    fresh.configure_optimizers()
    assert fresh.clock == game.clock
    assert not differing(weights(game), weights(fresh))

    # It samples, the same from the file as from memory.
    images = Sampler(game, game.averaged_networks())(3, 5)
    assert images.shape == (5, source.channels, source.resolution, source.resolution)
    assert images.dtype == torch.float32
    assert bool(images.isfinite().all())
    assert -1 <= float(images.min()) <= float(images.max()) <= 1
    assert images.std() > 0
    assert torch.equal(images, Sampler(fresh, fresh.averaged_networks())(3, 5))


def test_at_most_five_exceptions():
    assert len(UNMOVED) <= 5
    assert all(reason for _, reason in UNMOVED.values())
    assert {loss for loss, _ in UNMOVED} <= set(Groups().choices("loss"))


def test_the_hinge_moves_the_last_bias_once_a_margin_is_met():
    game = built("model=dcgan", "loss=hinge").game
    with torch.no_grad():
        game.discriminator.head.weight.mul_(1000)
    assert "discriminator.head.bias" in moved(game, 1, batches(BATCH))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_penalties_train_and_are_logged(penalty):
    """Each with a discriminator that suits it, beside the adversarial loss."""
    options = AT_ONCE.get(penalty, [])
    game = built("model=dcgan", "discriminator.norm=none", f"penalty=[{penalty}]", *options).game
    parameters = {name for name, _ in game.named_parameters()}
    assert moved(game, 2, batches(BATCH)) == parameters - game.resting
    values = game.read_meter()
    assert terms_of(game) <= values.keys()
    assert all(math.isfinite(value) and value != 0 for value in values.values()), values
    parts = {**game.penalties, **game.constraints}
    assert set(parts) == {penalty}
    logged = f"loss/{parts[penalty].player}/{penalty}" in values
    assert logged == (penalty in game.penalties)


def test_all_penalties_at_once():
    """With lazy intervals, a schedule and accumulation: terms share a play and stay apart in the log."""
    game = built(
        "model=wgan_gp", f"penalty=[{','.join(PENALTIES)}]", "penalty.r1.every=2", "accumulate=2",
        "penalty.r2.weight={schedule: linear, start: 1, end: 10, kimg: 0.01}", *AT_ONCE["lecam"],
    ).game  # fmt: skip
    play_rounds(game, batches(BATCH), rounds_of(game))
    values = game.read_meter()
    assert terms_of(game) <= values.keys()
    logged = {f"loss/{part.player}/{name}" for name, part in game.penalties.items()}
    assert logged <= values.keys()
    assert all(math.isfinite(value) and value != 0 for value in values.values()), values


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("model", MODELS)
def test_models_train_in_half_precision(model, precision):
    """The arithmetic only: on a CPU the command line refuses 16-mixed, which is for GPUs."""
    game = built(f"model={model}").game
    game.options = replace(game.options, precision=precision)
    play_rounds(game, batches(BATCH), rounds_of(game))
    assert all(math.isfinite(value) for value in game.read_meter().values())
    assert all(bool(p.isfinite().all()) and p.dtype == torch.float32 for p in game.parameters())


@pytest.mark.parametrize("optimizer", Groups().choices("optimizer"))
def test_optimizers_move_both_players(optimizer):
    chosen = [
        f"optimizer@optimizer.{player}={optimizer}" for player in ("generator", "discriminator")
    ]
    game = built("model=dcgan", *chosen).game
    parameters = {name for name, _ in game.named_parameters()}
    assert moved(game, 1, batches(BATCH)) == parameters


@pytest.mark.parametrize(
    "latent", [name for name in Groups().choices("latent") if name != "pixels"]
)
@pytest.mark.parametrize("network", for_images("generator"))
def test_generators_with_latents_sample_the_right_shape(network, latent):
    size = ["latent.noise=3" if latent == "codes" else "latent.dim=15"]
    # Some generators map noise of an image's size, and no other.
    if network in NOISE_OF_IMAGES:
        latent, size = "pixels", []
    parts = built(f"generator={network}", f"latent={latent}", "data=celeba", *size)
    images = Sampler(parts.game, parts.game.averaged_networks())(0, 3)
    assert images.shape == (3, 3, 64, 64)
    assert float(images.abs().max()) <= 1


def test_the_same_seed_builds_the_same_weights_and_another_seed_others():
    """Also where another part was exchanged: a network's weights hang on its own place in the configuration."""

    def states(*overrides):
        game = built(*overrides).game
        return {name: network.state_dict() for name, network in game.named_children()}

    one, again, other = states("seed=1"), states("seed=1"), states("seed=2")
    swapped = states("seed=1", "discriminator=mlp")
    for name, state in one.items():
        assert all(torch.equal(value, again[name][key]) for key, value in state.items())
        assert not all(torch.equal(value, other[name][key]) for key, value in state.items())
    assert all(torch.equal(v, swapped["generator"][k]) for k, v in one["generator"].items())


def test_networks_are_registered_modules():
    for model in MODELS:
        game = built(f"model={model}").game
        for spec in game.players():
            for network in spec.networks.values():
                assert isinstance(network, nn.Module)
                assert any(network is module for module in game.modules())
