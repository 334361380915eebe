"""A term belongs to the player that it names, and the buffers that it holds are part of the run."""

from __future__ import annotations

import copy
import json

import pytest
import torch

from gan_lab.storage.checkpoint import load_checkpoint
from gan_lab.train import main
from tests.conftest import REPOSITORY, batches, gradients_of, play_rounds, weights
from tests.contracts.walk import built, composed

TOY = REPOSITORY / "tests" / "toy" / "conf"
COMMAND = [
    f"--config-dir={TOY}", "debug=tiny", "logger=none", "metrics=none", "allow_targets=[tests.]", "samples.num=4",
    "log_every_rounds=1", "max_kimg=null",
]  # fmt: skip


def with_terms(*names):
    """A tiny DCGAN with these toy terms."""
    entries = [
        f"+penalty.{name}={{_target_: tests.toy.terms.{name.title()}}}" for name in names
    ]  # fmt: skip
    from gan_lab.assembly.build import build

    return build(composed("allow_targets=[tests.]", *entries)).game


def test_a_generators_term_moves_the_generator_alone():
    game = with_terms("brightness")
    game.configure_optimizers()
    of = {step.name: step for step in game.phase.steps}
    assert "brightness" in of["generator"].terms
    assert "brightness" not in of["discriminator"].terms
    batch = next(batches())
    alone = type(of["generator"])("generator", {"brightness": of["generator"].terms["brightness"]})
    gradients = gradients_of(game, alone, game.playing["generator"], batch)
    assert all(g is not None for g in gradients)
    assert sum(float(g.abs().sum()) for g in gradients) > 0


def test_a_generators_lazy_term_has_a_step_of_its_own_and_may_differentiate_at_latents_and_fakes():
    game = with_terms("slope")
    game.configure_optimizers()
    assert [step.name for step in game.phase.steps] == [
        "discriminator",
        "generator",
        "generator/slope",
    ]
    lazy = game.phase.steps[-1]
    gradients = gradients_of(game, lazy, game.playing["generator"], next(batches()))
    moved = sum(float(g.abs().sum()) for g in gradients if g is not None)
    assert moved > 0, "the term must reach the generator through the fakes"


def test_buffers_of_terms_are_saved_restored_and_known_to_change():
    game = play_rounds(with_terms("brightness", "slope"), batches(), 4)
    term = game.penalties["brightness"]
    assert int(term.calls) == 4
    changing = {id(t) for tensors in game.changing().values() for t in tensors}
    assert {
        id(term.mean),
        id(term.calls),
        id(game.penalties["slope"].norm.running_mean),
    } <= changing
    assert not any(p.requires_grad for p in game.penalties["slope"].norm.parameters())
    other = with_terms("brightness", "slope")
    other.restore(copy.deepcopy(game.snapshot()))
    assert torch.equal(other.penalties["brightness"].mean, term.mean)
    ours, theirs = play_rounds(game, batches(seed=1), 3), play_rounds(other, batches(seed=1), 3)
    for name, value in weights(ours).items():
        assert torch.equal(weights(theirs)[name], value), name


def test_buffers_of_terms_move_with_the_game():
    game = with_terms("brightness", "slope").to("meta")
    assert game.penalties["brightness"].mean.is_meta
    assert game.penalties["slope"].norm.running_var.is_meta


@pytest.mark.parametrize("term", ["brightness", "slope"])
def test_by_the_command_line_it_is_logged_for_its_player_and_resumes_bit_for_bit(tmp_path, term):
    command = [*COMMAND, f"penalty=[{term}]"]
    assert main([*command, "max_rounds=6", f"hydra.run.dir={tmp_path}/straight"]) == 0
    assert main([*command, "max_rounds=3", f"hydra.run.dir={tmp_path}/halves"]) == 0
    assert main([f"resume={tmp_path}/halves", "max_rounds=6", "allow_targets=[tests.]"]) == 0
    lines = (tmp_path / "straight/metrics.jsonl").read_text().splitlines()
    keys = set().union(*map(json.loads, lines))
    assert f"loss/generator/{term}" in keys
    assert f"loss/discriminator/{term}" not in keys
    straight, halves = (
        load_checkpoint(tmp_path / run / "checkpoints/last.ckpt")["networks"]
        for run in ("straight", "halves")
    )
    assert any(name.startswith(f"penalty_{term}") for name in straight)
    assert straight.keys() == halves.keys()
    for name, tensor in straight.items():
        assert torch.equal(tensor, halves[name]), name


def test_a_term_of_an_unknown_player_is_refused_in_a_sentence(tmp_path, capfd):
    assert main([*COMMAND, "penalty=[lost]", f"hydra.run.dir={tmp_path}/run"]) == 2
    said = capfd.readouterr().err
    assert "penalty.lost" in said
    assert "discriminator, generator" in said
    assert "Traceback" not in said


def test_a_game_without_such_terms_holds_its_networks_alone():
    game = built("model=dcgan", "penalty=[r1]").game
    assert [name for name, _ in game.named_children()] == ["generator", "discriminator"]
