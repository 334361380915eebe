"""Every experiment composes with its own numbers and plays a round, in narrow networks."""

from __future__ import annotations

import math

import pytest

from gan_lab.config.groups import Groups
from tests.conftest import batches, play_rounds
from tests.contracts.walk import built

BATCH = 4
NARROW = ("generator.width=8", "discriminator.width=8", f"data.batch_size={BATCH}")


@pytest.mark.parametrize("experiment", Groups().choices("experiment"))
def test_an_experiment_plays_a_round(experiment):
    parts = built(f"experiment={experiment}", *NARROW, "metrics=none", "precision=32-true")
    assert not parts.dropped, "the experiment sets options that its own parts do not have"
    stream = batches(BATCH, parts.source.channels, parts.source.resolution)
    play_rounds(parts.game, stream, math.ceil(parts.game.n_critic.at(0)))
    values = parts.game.read_meter()
    assert {"loss/generator", "loss/discriminator"} <= values.keys()
    assert all(math.isfinite(value) for value in values.values()), values
