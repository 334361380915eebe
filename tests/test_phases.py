"""Phases, states that move once per update, and tensors carried between steps: exact whatever cuts a run."""

from __future__ import annotations

import copy
import json

import pytest
import torch

from gan_lab.engine.clock import Clock
from gan_lab.engine.phases import Phase, Phases
from gan_lab.engine.step import Step
from gan_lab.latents.distributions import Normal
from gan_lab.losses.adversarial import NonSaturating
from gan_lab.networks.dcgan import DcganDiscriminator, DcganGenerator
from gan_lab.storage.checkpoint import load_checkpoint
from gan_lab.train import main
from tests.conftest import (
    CHOSEN,
    REPOSITORY,
    TrainingOptions,
    adam,
    batches,
    dcgan,
    differing,
    play_rounds,
    weights,
)
from tests.test_captured import same, taped
from tests.toy.states import DECAY, Growing, PathLength


def growing(**options):
    torch.manual_seed(0)
    game = Growing(
        generator=DcganGenerator(resolution=16, channels=1, latent_dim=8, width=4, norm="none"),
        discriminator=DcganDiscriminator(resolution=16, channels=1, width=4, norm="none"),
        latent=Normal(dim=8), loss=NonSaturating(), penalty={},
    )  # fmt: skip
    players = {"generator": adam(), "discriminator": adam()}
    game.options = TrainingOptions(**{**CHOSEN, **options}, optimizers=players)
    return game


def small(size=16):
    return batches(size, resolution=16)


def networks_of(game):
    return {name: value.clone() for name, value in game.state_dict().items()}


def lengths(**options):
    return dcgan(penalty={"path": PathLength()}, width=4, norm="none", **options)


def test_a_phase_lasts_as_long_as_it_says():
    first, second, third = Phase((), kimg=1), Phase((), kimg=0.5), Phase(())
    found = Phases([first, second, third])
    assert [found.at(n) for n in (0, 999, 1000, 1499, 1500, 10**9)] == [
        first, first, second, second, third, third,
    ]  # fmt: skip
    twice = Step("generator", {})
    with pytest.raises(ValueError, match="two have one name"):
        Phases([Phase([twice, twice])])


def test_who_plays_changes_with_the_phase():
    game = growing()
    said = []
    game.say = said.append
    game.configure_optimizers()
    before = weights(game)
    play_rounds(game, small(), 3)
    moved = differing(before, {k: v for k, v in weights(game).items() if k in before})
    assert not any("discriminator" in name for name in moved)
    assert any("generator" in name for name in moved)
    play_rounds(game, small(), 2)
    assert any(
        "discriminator" in name
        for name in differing(before, {k: v for k, v in weights(game).items() if k in before})
    )
    assert said == ["kimg      0.0  the phase game begins"]
    assert game.clock.generator_updates == 5


@pytest.mark.parametrize("cut", [2, 3, 4])
def test_a_resume_within_and_between_phases_is_exact(cut):
    stream, whole = small(), growing()
    play_rounds(whole, stream, 6)
    stream, first, second = small(), growing(), growing()
    play_rounds(first, stream, cut)
    second.restore(copy.deepcopy(first.snapshot()))
    play_rounds(second, stream, 6 - cut)
    assert differing(weights(whole), weights(second)) == set()


PHASED = [
    f"--config-dir={REPOSITORY / 'tests' / 'toy' / 'conf'}", "model=phased", "allow_targets=[tests.]",
    "data.resolution=16", "data.batch_size=16", "logger=none", "metrics=none", "samples.num=4", "max_kimg=null",
    "log_every_rounds=1",
]  # fmt: skip


def test_phases_have_batches_of_their_own_from_the_command_line(tmp_path, capfd):
    assert main([*PHASED, "max_rounds=6", f"hydra.run.dir={tmp_path}/straight"]) == 0
    records = [
        json.loads(line) for line in (tmp_path / "straight/metrics.jsonl").read_text().splitlines()
    ]
    assert [r["images_seen"] for r in records if "loss/generator" in r] == [8, 16, 24, 40, 56, 72]
    assert main([*PHASED, "max_rounds=2", f"hydra.run.dir={tmp_path}/halves"]) == 0
    assert main([f"resume={tmp_path}/halves", "max_rounds=6", "allow_targets=[tests.]"]) == 0
    whole, halves = (
        load_checkpoint(tmp_path / name / "checkpoints/last.ckpt")
        for name in ("straight", "halves")
    )
    assert whole["clock"] == halves["clock"]
    for name, value in whole["networks"].items():
        assert torch.equal(value, halves["networks"][name]), name
    capfd.readouterr()
    run = [f"hydra.run.dir={tmp_path}/odd", "max_rounds=2", "data.batch_size=9", "accumulate=3"]
    assert main([*PHASED, *run]) == 2
    assert "A phase of this model has batches of 8, which do not divide" in capfd.readouterr().err


def test_a_loaded_game_knows_its_phase():
    game = growing()
    game.stand_at(Clock(iteration=9, images_seen=100))
    assert game.phase.name == "game"


def test_micro_batches_carry_their_own_share():
    one, two = growing(), growing(accumulate=2)
    for game in (one, two):
        play_rounds(game, small(), 6)
    for name, value in weights(one).items():
        torch.testing.assert_close(weights(two)[name], value, rtol=2e-4, atol=2e-5, msg=name)


def test_a_state_moves_once_per_update_whatever_the_parts():
    one, two = lengths(), lengths(accumulate=2)
    for game in (one, two):
        play_rounds(game, batches(8), 5)
    mine, other = one.penalties["path"], two.penalties["path"]
    assert (mine.moves, other.moves) == (5, 5)
    torch.testing.assert_close(other.mean, mine.mean, rtol=1e-4, atol=0)
    assert mine.mean > 0
    assert DECAY < 1


def test_a_state_survives_a_resume():
    stream, whole = batches(8), lengths()
    play_rounds(whole, stream, 6)
    stream, first, second = batches(8), lengths(), lengths()
    play_rounds(first, stream, 3)
    second.restore(copy.deepcopy(first.snapshot()))
    play_rounds(second, stream, 3)
    assert differing(weights(whole), weights(second)) == set()


@pytest.mark.parametrize("make", [lengths, growing], ids=["state", "phases and carry"])
def test_recorded_steps_do_the_same(make):
    stream = (lambda: batches(8)) if make is lengths else small
    eager, captured = make(), taped(make())
    for game in (eager, captured):
        play_rounds(game, stream(), 12)
    assert captured.said[:1] in ([], ["kimg      0.0  the phase game begins"])
    assert not any("not captured" in text for text in captured.said)
    same(eager, captured)
