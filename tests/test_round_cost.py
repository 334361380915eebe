"""A round is the hand-written loop's work: same dispatched operations, same FLOPs, same losses, no host reads."""

from __future__ import annotations

import copy
import itertools
import sys
from contextlib import nullcontext
from functools import partial

import pytest
import torch
from torch.testing import assert_close

from gan_lab.data.stream.sampler import Batches
from gan_lab.engine.ema import EMA
from gan_lab.engine.randomness import Draws
from gan_lab.games.translation import Translation
from gan_lab.networks.mlp import MlpDiscriminator, MlpGenerator
from gan_lab.networks.resnet import ResnetDiscriminator, ResnetGenerator
from tests.conftest import REPOSITORY, batches, dcgan, play_rounds, wgan_gp
from tests.contracts.test_translations import rows
from tests.contracts.walk import PLAYERS, built

sys.path.insert(0, str(REPOSITORY / "scripts" / "bench"))
import family_loops
import plain_loop
import style_loops
import translation_loops
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


# The loops by hand take one rate for all weights, and Adam.
WITHOUT_GATS_RATES = [
    option
    for player in PLAYERS
    for option in (
        f"optimizer@optimizer.{player}=adam",
        f"optimizer.{player}.clip_norm=null",
        f"{player}.rate_width=null",
    )
]
FAMILIES = {
    "acgan_32": ["model=acgan", "discriminator.dropout=0"],
    "infogan_32": ["model=infogan"],
    "biggan_32": ["model=biggan", "data=fashion_mini"],
    "r3gan_32": ["model=r3gan"],
    "stylegan2_32": ["model=stylegan2", "penalty.path_length.every=2"],
    "gat_32": ["model=gat", "augment=[]", *WITHOUT_GATS_RATES],
    "seqgan": ["model=seqgan", "model.likelihood_kimg=0", "model.discriminator_kimg=0", "model.rollouts=2",
               "discriminator.dropout=0"],
    "pix2pix_64": ["model=pix2pix", "generator.dropout=0", "discriminator.layers=1", "data.resolution=32"],
    "cyclegan_64": [
        "experiment=translate_small", "data.resolution=32", "model.pool=5",
        *(f"generator_{way}.{option}" for way in ("ab", "ba") for option in ("width=4", "blocks=1")),
        *(f"discriminator_{kind}.{option}" for kind in "ab" for option in ("width=4", "layers=1")),
    ],
}  # fmt: skip
LOOPS = family_loops.LOOPS | style_loops.LOOPS | translation_loops.LOOPS


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_plays_what_its_loop_by_hand_plays(family):
    """The loops that the benches compare with: same losses from the same draws."""
    options = [*FAMILIES[family], "data.batch_size=8", "precision=32-true"]
    engine, by_hand = built(*options), built(*options).game
    game, rounds = engine.game, 2 * round(engine.game.n_critic.at(0))
    steps = [step.name for step in game.steps()]

    def stream():
        if isinstance(game, Translation):
            return rows(game)
        data = engine.source.load(engine.source.splits[0])
        return iter(Batches(data, batch_size=8, seed=0, flip=False, device=torch.device("cpu")))

    def adam(player):
        (spec,) = [spec for spec in by_hand.players() if spec.name == player]
        chosen = by_hand.options.optimizers[player]
        parameters = [p for network in spec.networks.values() for p in network.parameters()]
        return torch.optim.Adam(parameters, lr=chosen.lr.at(0), fused=True, **chosen.options)

    game.configure_optimizers()
    feed = stream()
    for _ in range(rounds):
        game.play_round(next(feed))
    players = sorted(game.playing)  # discriminators first
    noise = engine_noise({name: name for name in (*players, *steps)}, {})
    loop = LOOPS[family](
        by_hand, lambda iteration: None, stream(), noise, adam, autocast=nullcontext
    )
    losses = list(itertools.islice(loop, rounds))
    values = game.read_meter()
    for player, found in zip(players, zip(*losses, strict=True), strict=True):
        mean = torch.stack([loss for loss in found if loss is not None]).mean()
        assert_close(values[f"loss/{player}"], float(mean), rtol=1e-4, atol=1e-5)
