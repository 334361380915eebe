"""compile=true: the same training, penalties on gradients included, and an end in a sentence where it fails."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch.testing import assert_close

from gan_lab.common.errors import GanLabError
from gan_lab.engine import compiling
from gan_lab.train import main
from tests.conftest import batches, play_rounds, weights
from tests.contracts.walk import built


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def played(*overrides, rounds=3):
    game = built("precision=32-true", *overrides).game
    game.said = []
    game.say = game.said.append
    return play_rounds(game, batches(8), rounds)


def assert_same_training(*overrides, rounds=3, atol=1e-4):
    eager, compiled = (
        played(*overrides, rounds=rounds),
        played(*overrides, "compile=true", rounds=rounds),
    )
    assert compiled.said == []
    assert all(
        n._compiled_call_impl is not None for n in (compiled.generator, compiled.discriminator)
    )
    for name, value in weights(eager).items():
        assert_close(
            weights(compiled)[name], value, rtol=1e-3, atol=atol, msg=lambda m, n=name: f"{n}: {m}"
        )
    losses = eager.read_meter()
    for name, value in compiled.read_meter().items():
        assert value == pytest.approx(losses[name], rel=2e-3, abs=1e-5), name


@pytest.mark.parametrize("penalty", ["gradient_penalty", "r1", "r2", "dragan", "r1_fd"])
def test_penalties_differentiate_twice_beside_compiled_networks(penalty, monkeypatch):
    # aot_eager is the part of the compiler that refuses a second derivative, without the minutes of the rest.
    monkeypatch.setattr(compiling, "BACKEND", "aot_eager")
    assert_same_training("model=dcgan", "discriminator.norm=none", f"penalty=[{penalty}]")


def test_a_compiled_network_cannot_be_differentiated_twice(monkeypatch):
    """The reason for `differentiable_twice`; when this fails, torch can and `differentiable_twice` may go."""
    monkeypatch.setattr(compiling, "BACKEND", "aot_eager")
    monkeypatch.setattr(
        "gan_lab.games.images.differentiable_twice", lambda network, *given: network(*given)
    )
    options = ("model=dcgan", "discriminator.norm=none", "penalty=[gradient_penalty]")
    with pytest.raises(GanLabError, match="double backward"):
        played(*options, "compile=true")


def test_averages_are_not_compiled(monkeypatch):
    monkeypatch.setattr(compiling, "BACKEND", "aot_eager")
    game = played("model=dcgan", "compile=true")
    assert game.averaged_networks()["generator"]._compiled_call_impl is None


def test_what_does_not_compile_ends_the_run_in_a_sentence(monkeypatch, tmp_path, capfd):
    def broken(graph, inputs):
        raise RuntimeError("no compiler on this machine")

    monkeypatch.setattr(compiling, "BACKEND", broken)
    command = [
        "debug=tiny",
        "compile=true",
        "logger=none",
        "metrics=none",
        f"hydra.run.dir={tmp_path}/run",
    ]
    assert main(command) == 1
    said = capfd.readouterr().err
    assert "compile=true: the step 'discriminator' fails with compiled networks (" in said
    assert "no compiler on this machine" in said
    assert "set compile=false" in said
    assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler here")
@pytest.mark.parametrize("model", ["dcgan", "wgan_gp"])
def test_the_real_compiler(model):
    # A bias before a norm has a gradient of rounding alone, which Adam makes a step of the rate either way.
    assert_same_training(f"model={model}", rounds=6, atol=2.5e-4)
