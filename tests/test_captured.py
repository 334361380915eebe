"""Steps recorded once and replayed do what Python does; on the CPU a tape stands in for the CUDA graph."""

from __future__ import annotations

import types
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from gan_lab.engine.runner import WARM_UPS, difference
from tests.conftest import batches, now_and_slow, play_rounds, weights
from tests.contracts.walk import MODELS, PENALTIES, built
from tests.tape import Tape

SCHEDULES = (
    "optimizer.generator.lr={schedule: piecewise, values: [1e-4, 3e-4], kimg: [0.1]}",
    "optimizer.discriminator.lr={schedule: linear, start: 3e-4, end: 0, kimg: 0.2}",
)  # fmt: skip
# Parameters whose gradient is rounding alone, which Adam makes as large as any: a constant added to every place
# cancels in infomax's contrast.
ROUNDING = ("heads.infomax.of_places.bias",)


def taped(game):
    """Let a game record on tapes."""
    game.options = replace(game.options, capture=True)
    game.recording = types.MethodType(lambda self, pool: Tape(self.changing), game)
    game.said = []
    game.say = game.said.append
    return game


def both(*overrides, batch=8, updates=7):
    """The same game eagerly and recorded, both played until the generator moved so often."""
    games = [built(*overrides).game, taped(built(*overrides).game)]
    rounds = updates * round(games[0].n_critic.at(0))
    for game in games:
        play_rounds(game, batches(batch), rounds)
    return games


def same(eager, captured):
    eager_weights, captured_weights = weights(eager), weights(captured)
    assert eager_weights.keys() == captured_weights.keys()
    for name, value in eager_weights.items():
        if any(part in name for part in ROUNDING):
            continue
        assert_close(
            captured_weights[name], value, rtol=2e-4, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}"
        )
    mine, other = captured.read_meter(), eager.read_meter()
    assert mine.keys() == other.keys()
    for name, value in other.items():
        assert mine[name] == pytest.approx(value, rel=2e-4, abs=1e-5), name


def steps_replayed(game):
    recorded = game.runner.recorded
    assert recorded
    assert all(one.proven for one in recorded.values())
    return {step for step, _ in recorded}


# Those with terms or steps of their own each time, of the others every third; all in the slow suite.
OWN = ("dcgan", "wgan_gp", "infogan", "biggan", "stylegan2", "progressive", "unrolled_gan", "began")
NOW = {*OWN, *MODELS[::3]}


@pytest.mark.parametrize("model", now_and_slow(MODELS, NOW))
def test_every_model_is_captured(model):
    # On a CPU RMSprop reads a rate that is a tensor; on a GPU it is capturable.
    schedules = () if model == "wgan" else SCHEDULES
    eager, captured = both(f"model={model}", *schedules, "precision=32-true")
    assert captured.said == []
    assert steps_replayed(captured) == {"discriminator", "generator", "generator/average"}
    same(eager, captured)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_every_penalty_is_captured(penalty):
    eager, captured = both(
        "model=dcgan", "discriminator.norm=none", f"penalty=[{penalty}]", "precision=32-true"
    )
    assert captured.said == []
    same(eager, captured)


def test_schedules_of_weights_lazy_steps_accumulation_and_dropout_are_captured():
    eager, captured = both(
        "model=wgan_gp", "model.n_critic=2", "penalty=[gradient_penalty,r1]", "penalty.r1.every=2", "accumulate=2",
        "penalty.r1.weight={schedule: linear, start: 0, end: 100, kimg: 0.1}", *SCHEDULES, "precision=32-true",
        "discriminator=mlp", "discriminator.width=8", "log_every_rounds=4", updates=12,
    )  # fmt: skip
    assert captured.said == []
    assert ("discriminator", ("", True)) in captured.runner.recorded, (
        "rounds that are logged are recorded too"
    )
    assert "discriminator/r1" in steps_replayed(captured)
    same(eager, captured)


def test_bf16_is_captured():
    eager, captured = both("model=dcgan", "precision=bf16-mixed", "memory_format=channels_last")
    assert captured.said == []
    same(eager, captured)


def test_a_replay_runs_no_python():
    game = taped(built("model=dcgan", "precision=32-true", "log_every_rounds=100").game)
    play_rounds(game, batches(8), WARM_UPS + 2)
    game.descend = None  # would raise if it were called
    play_rounds(game, batches(8, seed=1), 3)
    assert game.clock.iteration == WARM_UPS + 5


@pytest.mark.parametrize(
    "read",
    [
        lambda logits: bool(logits.mean() > 9),
        lambda logits: logits.tolist()[0] > 99,
        lambda logits: logits.detach().numpy().mean() > 99,
        lambda logits: logits.cpu().mean() * 0,
    ],
    ids=["branch", "tolist", "numpy", "cpu"],
)
def test_reading_a_value_in_a_step_is_told_and_stays_eager(read):
    game = taped(built("model=dcgan", "precision=32-true").game)
    loss = game.adversarial.discriminator
    game.adversarial.discriminator = lambda real, fake: loss(real, fake) * (1 + read(real))
    play_rounds(game, batches(8), 8)
    assert len(game.said) == 1
    assert "The step 'discriminator' is not captured" in game.said[0]
    assert "reads a value on the host" in game.said[0]
    reference = play_rounds(built("model=dcgan", "precision=32-true").game, batches(8), 8)
    same(reference, game)


def test_a_wrong_recording_never_reaches_the_weights():
    """A batch that is not copied to where the recording reads it: the proof finds it, Python's result stays."""
    game = taped(built("model=dcgan", "precision=32-true").game)
    game.configure_optimizers()
    game.runner.hold = lambda batch: batch
    play_rounds(game, batches(8), 8)
    assert len(game.said) == 1
    assert "its replay is off by" in game.said[0]
    reference = play_rounds(built("model=dcgan", "precision=32-true").game, batches(8), 8)
    same(reference, game)


def test_another_batch_size_is_recorded_anew():
    game = taped(built("model=dcgan", "precision=32-true").game)
    reference = built("model=dcgan", "precision=32-true").game
    for each in (game, reference):
        play_rounds(each, batches(8), 6)
        each.read_meter()
        play_rounds(each, batches(4), 6)
    assert game.said == []
    same(reference, game)


def test_rounding_passes_and_a_stale_value_does_not():
    one = torch.linspace(-1, 1, 100)
    before, truth = {"weights": [one]}, {"weights": [one + 0.01]}
    assert difference(before, {"weights": [one + 0.01 + 1e-7]}, truth) is None
    assert difference(before, {"weights": [one]}, truth) is not None
    assert difference(before, {"weights": [one * torch.nan]}, truth) is not None


def test_sums_are_read_like_values():
    from gan_lab.engine.meter import Meter

    meter = Meter()
    meter.accumulates = True
    for value in (1.0, 2.0):
        for _ in range(2):
            meter.add("loss/x", torch.tensor(value))
            meter.add_norm("grad_norm/x", [torch.tensor(3.0 * value), torch.tensor(4.0 * value)])
        assert meter.read() == {"loss/x": value, "grad_norm/x": 5.0 * value}
    assert meter.read() == {}
