"""A record is read when it is due, and everybody who looks at the run then finds it."""

from __future__ import annotations

import math

import pytest
import torch

import gan_lab.callbacks.status as status_module
from gan_lab.callbacks.run_state import RunState
from gan_lab.callbacks.status import Status
from gan_lab.common.errors import GanLabError
from gan_lab.loggers.reporter import Reporter
from gan_lab.storage.run_folder import RunFolder
from tests.conftest import batches, dcgan, play_rounds


class Looker:
    """Another callback, due in some rounds, that reads what was recorded."""

    def __init__(self, folder, rounds):
        self.folder, self.rounds = folder, rounds
        self.seen = {}

    def due(self, clock):
        return clock.iteration in self.rounds

    def after_round(self, module):
        self.seen[module.clock.iteration] = [r["iteration"] for r in self.folder.records()]


def play(path, *, rounds=12, lookers=(), every=1, break_at=None):
    """Rounds of a small game with a Status; returns folder, looker, status and game."""
    folder = RunFolder(path)
    path.mkdir()
    game = dcgan(log_every_rounds=every)
    status = Status(run=RunState(folder, Reporter(folder)), every_rounds=every)
    looker = Looker(folder, lookers)
    game.round_callbacks = [status, looker]
    status.on_train_start(None, game)
    stream = batches(8)
    for done in range(1, rounds + 1):
        if done == break_at:
            game.generator.layers[0].weight.data.fill_(math.nan)
        play_rounds(game, stream, 1)
    return folder, looker, status, game


def test_a_record_is_on_disk_in_its_own_round(tmp_path):
    folder, looker, _, _ = play(tmp_path / "a", lookers=(5, 6, 7), every=3)
    assert looker.seen == {5: [3], 6: [3, 6], 7: [3, 6]}
    first, second, *_ = folder.records()
    assert {"loss/generator", "grad_norm/discriminator", "logits/real", "lr/generator"} <= set(
        first
    )
    assert first["loss/generator"] != second["loss/generator"]


def test_the_rounds_since_the_last_record_are_recorded_at_the_end(tmp_path):
    folder, _, status, game = play(tmp_path / "a", rounds=5, every=3)
    status.on_train_epoch_end(None, game)
    assert [r["iteration"] for r in folder.records()] == [3, 5]
    status.on_train_epoch_end(None, game)
    assert [r["iteration"] for r in folder.records()] == [3, 5], "recorded once"


def test_a_loss_that_is_no_number_is_named_by_its_round_and_nothing_follows(tmp_path, monkeypatch):
    monkeypatch.setattr(
        Looker, "after_round", lambda *_: pytest.fail("a checkpoint would be saved")
    )
    with pytest.raises(GanLabError, match=r"loss/\S+ is not a number any more at iteration 8:"):
        play(tmp_path / "a", lookers=(8,), break_at=8)
    records = list(RunFolder(tmp_path / "a").records())
    assert [record["iteration"] for record in records] == list(range(1, 9))
    assert records[-1]["loss/discriminator"] is None


def test_a_meter_read_twice_has_each_interval_by_itself():
    from gan_lab.engine.meter import Meter

    meter = Meter()
    for scale in (1.0, 2.0):
        meter.add_norm("grad_norm/x", [torch.tensor(3.0 * scale), torch.tensor(4.0 * scale)])
        meter.add("loss/x", torch.full((4,), scale))
        assert meter.read() == {"grad_norm/x": 5.0 * scale, "loss/x": scale}
    assert meter.read() == {}


def test_values_of_several_shapes():
    """The logits of a last, smaller batch: every value counts with its own mean."""
    from gan_lab.engine.meter import Meter

    meter = Meter()
    for logits in ([1.0, 3.0], [5.0], [7.0, 9.0]):
        meter.add("logits/real", torch.tensor(logits))
    assert meter.read() == {"logits/real": (2.0 + 5.0 + 8.0) / 3}


def test_norms_of_unequal_numbers_of_parts():
    from gan_lab.engine.meter import Meter

    meter = Meter()
    for parts in ([3.0, 4.0], [2.0, 2.0, 1.0], [5.0, 12.0, 0.0, 0.0]):
        meter.add_norm("grad_norm/x", [torch.tensor(part, dtype=torch.float64) for part in parts])
    assert meter.read() == {"grad_norm/x": pytest.approx((5.0 + 3.0 + 13.0) / 3)}


def test_speed_is_that_of_rounds_which_the_device_has_finished(tmp_path, monkeypatch):
    # A device that works for a second when it is asked for its numbers, as a GPU with a full queue does.
    now = [0.0]
    monkeypatch.setattr(status_module.time, "perf_counter", lambda: now[0])
    folder, _, status, game = play(tmp_path / "a", every=100)
    read = game.read_meter

    def slow():
        now[0] += 1.0
        return read()

    game.read_meter = slow
    status.after_round(game)
    speeds = {record["speed/images_per_s"] for record in folder.records()}
    assert speeds == {12 * 8.0}
