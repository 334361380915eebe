"""Players beside the two: intervals, counts, rates and averages of their own, and steps with a share of the batch."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.engine.clock import Clock
from gan_lab.engine.phases import Phase
from gan_lab.engine.player import PlayerSpec, rate_groups
from gan_lab.engine.step import share_of
from gan_lab.latents.distributions import Normal
from gan_lab.losses.adversarial import NonSaturating
from gan_lab.networks.dcgan import DcganDiscriminator, DcganGenerator
from tests.conftest import (
    CHOSEN,
    TrainingOptions,
    adam,
    batches,
    dcgan,
    differing,
    play_rounds,
    weights,
)
from tests.test_captured import same, taped
from tests.toy.states import PathLength
from tests.toy.three import INTERVAL, Encoded


def encoder():
    return nn.Sequential(nn.Flatten(), nn.Linear(256, 16), nn.Tanh(), nn.Linear(16, 8))


def encoded(chosen=None, **options):
    torch.manual_seed(0)
    game = Encoded(
        encoder=encoder(), latent=Normal(dim=8), loss=NonSaturating(), penalty={},
        generator=DcganGenerator(resolution=16, channels=1, latent_dim=8, width=4, norm="none"),
        discriminator=DcganDiscriminator(resolution=16, channels=1, width=4, norm="none"),
        **options,
    )  # fmt: skip
    players = {name: adam() for name in ("generator", "discriminator", "encoder")}
    game.options = TrainingOptions(**{**CHOSEN, **(chosen or {})}, optimizers=players)
    return game


def small():
    return batches(resolution=16)


def test_each_player_keeps_its_own_interval_and_count():
    game = encoded(n_critic=2)
    moved = []
    update = game.update
    game.update = lambda step, *rest: (
        moved.append((game.clock.iteration, step.player)),
        update(step, *rest),
    )
    play_rounds(game, small(), 7)
    assert [round for round, player in moved if player == "encoder"] == [2, 5]
    assert [round for round, player in moved if player == "generator"] == [1, 3, 5]
    assert game.clock.updates == {"discriminator": 7, "generator": 3, "encoder": 7 // INTERVAL}
    assert game.clock.waited == {"discriminator": 0, "generator": 1, "encoder": 1}
    assert game.clock.generator_updates == 3, "an encoder is no generator"
    assert "loss/encoder/latents" in game.read_meter()


@pytest.mark.parametrize("cut", [2, 3])
def test_a_resume_between_the_updates_of_a_third_player_is_exact(cut):
    stream, whole = small(), encoded(n_critic=2)
    play_rounds(whole, stream, 7)
    stream, first, second = small(), encoded(n_critic=2), encoded(n_critic=2)
    play_rounds(first, stream, cut)
    second.restore(copy.deepcopy(first.snapshot()))
    play_rounds(second, stream, 7 - cut)
    assert differing(weights(whole), weights(second)) == set()
    assert second.clock == whole.clock


def test_a_third_player_recorded_does_the_same():
    eager, captured = encoded(), taped(encoded())
    for game in (eager, captured):
        play_rounds(game, small(), 20)
    assert captured.said == []
    same(eager, captured)


def test_a_clock_of_older_checkpoints_is_read():
    older = {
        "iteration": 9, "generator_updates": 4, "images_seen": 72, "rounds_since_generator": 1, "last_batch": 8,
    }  # fmt: skip
    clock = Clock.restored(older, {"generator": "generator", "critic": "discriminator"})
    assert clock.updates == {"generator": 4, "critic": 9}
    assert clock.waited == {"generator": 1, "critic": 0}
    assert Clock.restored(clock.state_dict(), {}) == clock


def test_averages_have_their_own_half_life():
    game = encoded(half_life_kimg=0.0)
    play_rounds(game, small(), INTERVAL)
    players = game.playing
    own = players["encoder"].ema.networks["encoder"]
    assert all(
        torch.equal(a, b) for a, b in zip(own.parameters(), game.encoder.parameters(), strict=True)
    )
    assert players["generator"].ema.half_life_kimg.at(0) == CHOSEN["ema_half_life_kimg"]


def test_two_averages_of_one_name_are_told():
    game = encoded()
    spec = game.players()
    game.players = lambda: [
        *spec[:2],
        PlayerSpec("other", "encoder", {"generator": game.encoder}, averaged=True),
    ]
    with pytest.raises(ValueError, match="two averaged players have a network 'generator'"):
        game.averaged_networks()


def test_some_weights_learn_at_a_rate_of_their_own():
    """Adam's first step is as long as the rate, whatever the gradient; so the lengths are the factors."""
    game = encoded(rates={"encoder.1": 0.01, "encoder.1.bias": 0.5})
    before = copy.deepcopy(game.encoder.state_dict())
    play_rounds(game, small(), INTERVAL)
    steps = {k: (v - before[k]).abs().max() for k, v in game.encoder.state_dict().items()}
    for name, factor in {"1.weight": 0.01, "1.bias": 0.5, "3.weight": 1.0, "3.bias": 1.0}.items():
        assert_close(steps[name], torch.tensor(2e-4 * factor), rtol=1e-2, atol=1e-8)


def test_rates_of_weights_that_are_not_there_are_told():
    spec = PlayerSpec("encoder", "encoder", {"encoder": encoder()}, rates={"encoder.mapping": 0.01})
    with pytest.raises(ValueError, match=r"rates name \['encoder.mapping'\]"):
        rate_groups(spec)


def test_a_phase_may_slow_a_player_down():
    game = encoded()
    steps = game.steps()
    game.phases = lambda: [Phase(steps, kimg=0.016), Phase(steps, rates={"generator": 0.1})]
    moved = []
    for _ in range(2):
        before = copy.deepcopy(list(game.generator.parameters()))
        play_rounds(game, small(), 1)
        moved.append(
            max(
                float((a - b).detach().abs().max())
                for a, b in zip(before, game.generator.parameters(), strict=True)
            )
        )
    assert game.rates()["lr/generator"] == pytest.approx(2e-5)
    assert moved[0] == pytest.approx(2e-4, rel=0.01)
    assert moved[1] < 5e-5


@pytest.mark.parametrize(("share", "size"), [(0.5, 8), (2, 32)])
def test_a_step_plays_a_share_of_the_batch(share, size):
    one, two = (
        encoded(share=share),
        encoded({"accumulate": 2}, share=share),
    )
    for game in (one, two):
        play_rounds(game, small(), 2 * INTERVAL)
    assert (one.seen, two.seen) == (size, size // 2)
    for name, value in one.encoder.state_dict().items():
        assert_close(two.encoder.state_dict()[name], value, rtol=2e-4, atol=2e-5, msg=name)


def test_rows_begin_again_where_a_step_wants_more():
    batch = {"images": torch.arange(4), "labels": torch.arange(4) * 10}
    assert share_of(batch, 1.0, parts=3) is batch
    assert share_of(batch, 2.5, parts=1)["labels"].tolist() == [0, 10, 20, 30] * 2 + [0, 10]
    assert share_of(batch, 0.5, parts=2)["images"].tolist() == [0, 1]


@pytest.mark.parametrize(("share", "parts"), [(0.3, 1), (0.5, 4), (0.01, 1)])
def test_shares_that_do_not_divide_end_in_a_sentence(share, parts):
    with pytest.raises(ConfigError, match="cannot be divided so"):
        share_of({"images": torch.zeros(4, 1)}, share, parts=parts)


def test_a_doubled_batch_of_the_generator():
    usual, doubled = encoded(), encoded(generator_batch=2.0)
    seen = {}
    for name, game in (("usual", usual), ("doubled", doubled)):
        loss = game._generator_loss
        game._generator_loss = lambda play, loss=loss, name=name: (
            seen.setdefault(name, play.z),
            loss(play),
        )[1]
        play_rounds(game, small(), 1)
    assert (seen["usual"].shape, seen["doubled"].shape) == ((16, 8), (32, 8))
    moved = differing(weights(usual), weights(doubled))
    assert any(name.startswith("networks/generator") for name in moved)
    assert not any(name.startswith("networks/discriminator") for name in moved)


def test_a_network_brings_rates_of_its_own():
    network = encoder()
    network.rates = {"1": 0.01, "3": 0.1}
    spec = PlayerSpec("encoder", "encoder", {"encoder": network}, rates={"encoder.3": 0.5})
    groups = rate_groups(spec)
    assert {factor: len(found) for factor, found in groups.items()} == {0.01: 2, 0.5: 2}
    network.rates = {"mapping": 0.01}
    with pytest.raises(ValueError, match=r"rates name \['encoder.mapping'\]"):
        rate_groups(PlayerSpec("encoder", "encoder", {"encoder": network}))


def test_a_penalty_of_each_update_has_no_batch_of_its_own():
    length = PathLength()
    length.share = 0.5
    with pytest.raises(ConfigError, match=r"penalty\.path\.share=0\.5: .* set share=1, or every=2"):
        dcgan(width=4, penalty={"path": length})
    length.every = 2
    lazy = next(step for step in dcgan(width=4, penalty={"path": length}).steps() if step.every > 1)
    assert lazy.share == 0.5
