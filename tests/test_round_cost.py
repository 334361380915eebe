"""A round is the hand-written loop's work: same dispatched operations, same FLOPs, same losses, no host reads."""

from __future__ import annotations

import copy
import sys
from contextlib import nullcontext
from functools import partial

import pytest
import torch
from torch.testing import assert_close

from gan_lab.engine.ema import EMA
from gan_lab.engine.randomness import Draws
from gan_lab.networks.mlp import MlpDiscriminator, MlpGenerator
from gan_lab.networks.resnet import ResnetDiscriminator, ResnetGenerator
from tests.conftest import REPOSITORY, batches, dcgan, play_rounds, wgan_gp

sys.path.insert(0, str(REPOSITORY / "scripts" / "bench"))
import plain_loop
from counting import Spy

HOST_READS = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "item"}


def resnets(width=4):
    torch.manual_seed(0)
    return (
        ResnetGenerator(resolution=32, channels=1, latent_dim=128, width=width),
        ResnetDiscriminator(resolution=32, channels=1, width=width),
    )


def perceptrons():
    torch.manual_seed(0)
    return (
        MlpGenerator(resolution=32, channels=1, latent_dim=128, width=16),
        # Without dropout, whose masks come from the process's generator: losses could not be compared.
        MlpDiscriminator(resolution=32, channels=1, width=8, dropout=0.0, input_dropout=0.0),
    )


def make(name, **options):
    if name == "dcgan":
        return dcgan(**options)
    if name == "mlp":
        game = dcgan(**options)
        game.generator, game.discriminator = perceptrons()
        return game
    return wgan_gp(networks=resnets() if name == "wgan_gp_resnet" else None, **options)


def engine_noise(step_names, purposes):
    """Draws of the engine for the hand-written loop: the same seeds, nothing else."""
    draws = Draws(torch.device("cpu"))
    begun = None

    def noise(iteration, step, purpose, shape, sampler):
        nonlocal begun
        if begun != (iteration, step):
            draws.begin(step_names[step], 0, 0, iteration)
            begun = iteration, step
        return draws.draw(purposes.get(purpose, purpose), shape, sampler)

    return noise


def plain(name, game, stream, rounds, precision):
    """The hand-written loop over copies of the game's networks."""
    generator, discriminator = copy.deepcopy(game.generator), copy.deepcopy(game.discriminator)
    ema = EMA({"generator": generator}, half_life_kimg=10, rampup=0.05)
    since = 5 if name.startswith("wgan_gp") else 1

    def average(iteration):
        ema.update(1.0 - ema.decay(16 * since, 16 * (iteration + 1)))

    wasserstein = name.startswith("wgan_gp")
    loop = plain_loop.wgan_gp_loop if wasserstein else plain_loop.dcgan_loop
    noise = engine_noise(
        {"discriminator": "discriminator", "generator": "generator"},
        {"epsilon": "gradient_penalty/epsilon"},
    )
    bf16 = partial(torch.autocast, "cpu", torch.bfloat16, cache_enabled=False)
    return loop(
        generator, discriminator, average, stream, noise, rounds,
        autocast=bf16 if precision == "bf16-mixed" else nullcontext,
    )  # fmt: skip


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("name", ["dcgan", "mlp", "wgan_gp", "wgan_gp_resnet"])
def test_a_round_is_the_hand_written_work(name, precision):
    rounds = 10
    game = make(name, precision=precision)
    hand = plain(name, game, batches(), rounds, precision)
    game.configure_optimizers()
    stream = batches()

    with Spy() as spy_engine:
        play_rounds(game, stream, rounds)
    with Spy() as spy_hand:
        losses = list(hand)

    assert spy_engine.work == spy_hand.work
    assert spy_engine.flops == spy_hand.flops > 0
    assert not HOST_READS & spy_engine.counts.keys(), "a round read something from the device"
    values = game.read_meter()
    assert_close(
        values["loss/discriminator"],
        float(torch.stack([d for d, _ in losses]).mean()),
        rtol=1e-5,
        atol=1e-6,
    )
    generators = torch.stack([g for _, g in losses if g is not None])
    assert_close(values["loss/generator"], float(generators.mean()), rtol=1e-5, atol=1e-6)
