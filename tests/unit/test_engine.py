"""The round: who moves, what accumulation means, what a lazy step is, how resume goes on."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from gan_lab.engine.ema import EMA
from gan_lab.engine.optimizers import lazy_correction
from gan_lab.engine.player import OptimizerOptions
from gan_lab.engine.precision import Precision
from gan_lab.engine.randomness import seed_of
from gan_lab.engine.schedule import schedule
from gan_lab.networks.dcgan import DcganDiscriminator, DcganGenerator
from gan_lab.networks.resnet import ResnetDiscriminator, ResnetGenerator
from gan_lab.penalties.gradient import R1, R2, Dragan, GradientPenalty
from gan_lab.penalties.weights import WeightClipping
from tests.conftest import (
    batches,
    dcgan,
    differing,
    gradients_of,
    play_rounds,
    weights,
    wgan_gp,
)


def step_of(game, player):
    return next(step for step in game.phase.steps if step.player == player)


@pytest.mark.parametrize("mover", ["discriminator", "generator"])
def test_a_step_moves_its_player_alone(mover):
    game = play_rounds(dcgan(), batches(), 2)
    before = weights(game)
    batch = next(batches(seed=5))
    game.update(step_of(game, mover), game.playing[mover], batch)
    changed = differing(before, weights(game))

    other = {"discriminator": "generator", "generator": "discriminator"}[mover]
    parameters = {name for name, _ in game.named_parameters()}
    moved = {name.removeprefix("networks/") for name in changed if name.startswith("networks/")}
    assert {n for n in parameters if n.startswith(mover)} <= moved
    assert not {n for n in parameters if n.startswith(other)} & moved
    assert not {n for n in changed if n.startswith(f"{other}/")}, "optimizer state or EMA moved"
    # Batch statistics follow every forward pass; nothing else may.
    buffers = moved - parameters
    assert buffers == {
        name
        for name, _ in game.named_buffers()
        if name.rpartition(".")[2] in {"running_mean", "running_var", "num_batches_tracked"}
    }


@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize("make", [wgan_gp, dcgan])
def test_accumulation_equals_the_large_batch(make, parts):
    """Under SGD: Adam's first steps are the gradient's sign, which turns rounding into a difference."""

    def trained(accumulate):
        torch.manual_seed(0)
        networks = (
            DcganGenerator(resolution=32, channels=1, latent_dim=128, width=8, norm="none"),
            DcganDiscriminator(resolution=32, channels=1, width=8, norm="none"),
        )
        options = {"n_critic": 2, "networks": networks} if make is wgan_gp else {"norm": "none"}
        game = make(**options, accumulate=accumulate)
        sgd = OptimizerOptions(torch.optim.SGD, schedule(0.1, "lr"))
        game.options = replace(game.options, optimizers={"generator": sgd, "discriminator": sgd})
        return weights(play_rounds(game, batches(), 4))

    whole, split = trained(1), trained(parts)
    for name in whole:
        assert_close(split[name], whole[name], rtol=1e-4, atol=1e-6, msg=name)


def test_a_generator_moves_every_n_critic_rounds():
    game = play_rounds(wgan_gp(n_critic=3), batches(), 7)
    assert game.clock.iteration == 7
    assert game.clock.generator_updates == 2
    assert game.clock.images_seen == 7 * 16


def test_n_critic_may_be_a_schedule():
    game = wgan_gp(n_critic={"schedule": "piecewise", "values": [4, 1], "kimg": [0.1]})
    play_rounds(game, batches(size=16), 10)
    # 0.1 kimg are 7 rounds: the generator moves in round 4, then in each from the 8th on.
    assert game.clock.generator_updates == 1 + 3


def test_a_lazy_penalty_is_a_step_of_its_own():
    game = play_rounds(dcgan(penalty={"r1": R1(weight=2.0, every=4)}), batches(), 8)
    names = [step.name for step in game.phase.steps]
    assert names == ["discriminator", "discriminator/r1", "generator"]
    counts = {
        k: int(s["step"]) for k, s in game.playing["discriminator"].optimizer.state.items()
    }.values()
    assert max(counts) == 8 + 2  # a bias that the penalty does not reach stays at 8
    assert len(game.meter.values["loss/discriminator/r1"]) == 2


def test_adam_is_corrected_for_lazy_steps():
    assert lazy_correction([1, 16]) == pytest.approx(16 / 17)
    game = dcgan(penalty={"r1": R1(every=4)})
    game.configure_optimizers()
    group = game.playing["discriminator"].optimizer.param_groups[0]
    assert group["lr"] == pytest.approx(2e-4 * 4 / 5)
    assert group["betas"] == pytest.approx((0.5**0.8, 0.999**0.8))
    assert game.playing["generator"].optimizer.param_groups[0]["betas"] == (0.5, 0.999)


def test_a_lazy_step_has_the_interval_as_gain():
    """One SGD-like gradient of the lazy step is `every` times that of the plain term."""
    from gan_lab.engine.step import Step

    def gradients(every):
        game = dcgan(norm="none", penalty={"r1": R1(every=every)})
        game.configure_optimizers()
        (lazy,) = [s for s in game.phase.steps if "r1" in s.terms]
        step = Step("discriminator", {"r1": lazy.terms["r1"]}, every)
        found = gradients_of(game, step, game.playing["discriminator"], next(batches()))
        return [gradient for gradient in found if gradient is not None]

    for one, four in zip(gradients(1), gradients(4), strict=True):
        assert_close(four, 4 * one, rtol=1e-5, atol=1e-9)


def test_weight_clipping_follows_each_update():
    game = play_rounds(dcgan(penalty={"weight_clipping": WeightClipping(bound=0.01)}), batches(), 2)
    assert max(p.abs().max() for p in game.discriminator.parameters()) <= 0.01
    assert max(p.abs().max() for p in game.generator.parameters()) > 0.01


def test_clipping_bounds_the_gradients():
    game = dcgan()
    game.configure_optimizers()
    player = game.playing["discriminator"]
    player.clip_norm = 1e-3
    step = step_of(game, "discriminator")
    gradients = gradients_of(game, step, player, next(batches()), want_norm=True)
    norm = torch.linalg.vector_norm(torch.cat([g.flatten() for g in gradients]))
    assert float(norm) == pytest.approx(1e-3, rel=1e-3)
    assert game.meter.read()["grad_norm/discriminator"] > 1e-3, "the norm before clipping is logged"


def test_terms_add_up_to_the_players_loss():
    game = play_rounds(dcgan(penalty={"r1": R1(weight=3.0), "r2": R2(weight=0.5)}), batches(), 3)
    values = game.read_meter()
    terms = [v for k, v in values.items() if k.startswith("loss/discriminator/")]
    assert len(terms) == 3
    assert values["loss/discriminator"] == pytest.approx(sum(terms))
    assert {"logits/real", "logits/fake", "loss/generator", "lr/generator"} <= values.keys()
    assert game.read_meter().keys() == {"lr/generator", "lr/discriminator"}, "reading empties it"


def test_ema_is_the_stated_average():
    game = dcgan(ema_half_life_kimg=0.064, ema_rampup=0.0)
    game.configure_optimizers()
    expected = copy.deepcopy(game.generator.state_dict())
    stream = batches()
    decay = 0.5 ** (16 / 64)
    for _ in range(3):
        game.play_round(next(stream))
        for name, value in game.generator.state_dict().items():
            if value.is_floating_point():
                expected[name] = expected[name] * decay + value * (1 - decay)
            else:
                expected[name] = value.clone()
    for name, value in game.averaged_networks()["generator"].state_dict().items():
        assert_close(value, expected[name], rtol=1e-5, atol=1e-6, msg=name)


def test_ema_half_life_ramps_up():
    ema = EMA({"n": torch.nn.Linear(1, 1)}, half_life_kimg=10, rampup=0.05)
    assert ema.decay(64, 0) == 0.0
    assert ema.decay(64, 20_000) == pytest.approx(0.5 ** (64 / 1000))
    assert ema.decay(64, 10**9) == pytest.approx(0.5 ** (64 / 10_000))


def test_ema_counts_images_since_the_last_generator_update():
    game = wgan_gp(n_critic=2, ema_half_life_kimg=0.032, ema_rampup=0.0)
    game.configure_optimizers()
    before = copy.deepcopy(game.generator.state_dict())
    play_rounds(game, batches(), 2)
    after = game.averaged_networks()["generator"].state_dict()
    name = next(name for name, _ in game.generator.named_parameters())
    assert_close(after[name], (before[name] + game.generator.state_dict()[name]) / 2)


def test_same_seed_same_bits_and_another_seed_other_bits():
    runs = [weights(play_rounds(dcgan(seed=seed), batches(), 2)) for seed in (1, 1, 2)]
    assert not differing(runs[0], runs[1])
    assert differing(runs[0], runs[2])


def test_a_penalty_does_not_change_the_latents():
    def latents(penalty):
        game = dcgan(penalty=penalty)
        game.configure_optimizers()
        game.update(game.phase.steps[0], game.playing["discriminator"], next(batches()))
        return game.draws.whole["latent"]

    alone = latents({})
    assert torch.equal(latents({"r1": R1()}), alone)
    assert torch.equal(latents({"gradient_penalty": GradientPenalty()}), alone)


def test_seeds_do_not_collide_in_the_low_32_bits():
    """CPU generators keep only these: packed or summed seeds would give equal draws."""
    seeds = {
        seed_of(s, r, i, "latent") & 0xFFFFFFFF
        for s in range(4)
        for r in range(8)
        for i in range(500)
    }
    assert len(seeds) == 4 * 8 * 500


@pytest.mark.parametrize("make", [dcgan, wgan_gp])
def test_a_snapshot_resumes_bit_for_bit(make):
    stream = batches()
    straight = weights(play_rounds(make(), batches(), 8))
    first = play_rounds(make(), stream, 4)
    state = copy.deepcopy(first.snapshot())
    second = make(seed=0)
    torch.nn.init.normal_(next(second.parameters()))  # the snapshot must replace it
    second.restore(state)
    assert not differing(straight, weights(play_rounds(second, stream, 4)))


def test_bf16_rounds_train_with_float32_losses():
    game = play_rounds(dcgan(precision="bf16-mixed"), batches(), 2)
    assert all(
        v.dtype == torch.float32 for k, vs in game.meter.values.items() for v in vs if "loss" in k
    )
    assert all(p.dtype == torch.float32 for p in game.parameters())
    assert all(torch.isfinite(p).all() for p in game.parameters())


def test_half_precision_zeroes_gradients_that_overflow():
    precision = Precision("16-mixed", torch.device("cpu"))
    gradients = [torch.tensor([1024.0, float("inf"), float("nan")])]
    precision.unscale(gradients)
    assert_close(gradients[0], torch.tensor([1.0, 0.0, 0.0]))


def test_a_parameter_learns_from_its_own_players_steps_only():
    game = play_rounds(dcgan(), batches(), 1)
    game.let_move(game.playing["discriminator"])
    assert not any(p.requires_grad for p in game.generator.parameters())
    game.let_move(game.playing["generator"])
    assert not any(p.requires_grad for p in game.discriminator.parameters())


def test_learning_rate_schedules_are_followed():
    game = dcgan()
    rates = schedule({"schedule": "linear", "start": 1e-3, "end": 0.0, "kimg": 0.064}, "lr")
    options = {k: replace(v, lr=rates) for k, v in game.options.optimizers.items()}
    game.options = replace(game.options, optimizers=options)
    play_rounds(game, batches(), 3)
    assert game.playing["generator"].optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 * 0.5)
    assert game.read_meter()["lr/generator"] == pytest.approx(1e-3 * 0.25)


def test_the_generators_gradient_norm_is_in_every_record():
    """Its last update before the log need not fall into the round that is logged."""
    n_critic = {"schedule": "piecewise", "values": [3, 2], "kimg": [0.2]}
    game = wgan_gp(n_critic=n_critic, log_every_rounds=4)
    stream, found = batches(), []
    for _ in range(8):
        play_rounds(game, stream, 4)
        found.append(game.read_meter())
    assert all("grad_norm/generator" in r and "grad_norm/discriminator" in r for r in found)


def test_dragan_accumulates_to_the_large_batch():
    def penalty(parts):
        game = dcgan(norm="none", penalty={"dragan": Dragan()}, accumulate=parts)
        play_rounds(game, batches(), 1)
        return float(torch.stack(game.meter.values["loss/discriminator/dragan"]).mean())

    assert penalty(4) == pytest.approx(penalty(1), rel=1e-5)


# Spectral norm ---------------------------------------------------------------------------------


def spectral(**options):
    torch.manual_seed(0)
    discriminator = ResnetDiscriminator(resolution=16, channels=1, width=4, spectral_norm=True)
    generator = ResnetGenerator(resolution=16, channels=1, latent_dim=128, width=4, norm="none")
    return wgan_gp(networks=(generator, discriminator), **options)


def test_spectral_norm_iterates_once_per_step():
    game = spectral()
    game.configure_optimizers()
    head = game.discriminator.head.parametrizations.weight[0]
    found = []
    original = head._power_method
    head._power_method = lambda *arguments: (found.append(1), original(*arguments))
    batch = next(batches(resolution=16))
    game.update(step_of(game, "discriminator"), game.playing["discriminator"], batch)
    assert len(found) == 1, "reals, fakes and the penalty's points share the weights"
    before = head._u.clone()
    game.update(step_of(game, "generator"), game.playing["generator"], batch)
    assert torch.equal(head._u, before), "it rests while the generator moves"


def test_spectral_norm_bounds_the_weights_used_and_moves_the_parameters():
    game = spectral()
    before = {name: value.clone() for name, value in game.discriminator.named_parameters()}
    play_rounds(game, batches(resolution=16), 5)
    assert all(
        not torch.equal(before[n], p)
        for n, p in game.discriminator.named_parameters()
        if "original" in n
    )
    # The largest singular value after power iterations that began with 15 and made one per step.
    weight = game.discriminator.body[1].conv1.weight.detach().flatten(1)
    assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, abs=0.1)


def test_accumulation_changes_nothing_with_spectral_norm():
    runs = [
        weights(play_rounds(spectral(accumulate=parts), batches(resolution=16), 4))
        for parts in (1, 2, 4)
    ]
    for other in runs[1:]:
        for name, value in runs[0].items():
            assert_close(
                other[name], value, rtol=1e-3, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}"
            )


def test_spectral_norm_is_computed_in_float32_under_bf16():
    game = spectral(precision="bf16-mixed")
    game.configure_optimizers()
    with (
        game.reparametrized.computed_once(first=True),
        torch.autocast("cpu", torch.bfloat16),
    ):
        assert game.discriminator.head.weight.dtype == torch.float32
    play_rounds(game, batches(resolution=16), 5)
    assert all(bool(p.isfinite().all()) for p in game.parameters())
