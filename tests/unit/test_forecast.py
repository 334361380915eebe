"""How long a run is said to take, and what is said where that is more than anybody can mean."""

from __future__ import annotations

import re

import pytest

import gan_lab.callbacks.forecast as forecast_module
from gan_lab.callbacks.forecast import Forecast, count_evaluations, seconds_left, whole_run
from gan_lab.callbacks.run_state import RunState
from gan_lab.callbacks.stop import Stop
from gan_lab.callbacks.training_block import TrainingBlock
from gan_lab.common.durations import in_words, slow_evaluations, slow_training
from gan_lab.engine.clock import Clock
from gan_lab.loggers.reporter import Reporter
from gan_lab.metrics.small import SmallFrechet
from gan_lab.metrics.together import Metrics
from gan_lab.run.words import announce_evaluations
from gan_lab.storage.run_folder import RunFolder
from tests.conftest import batches, dcgan, play_rounds


def run_of(path, **limits):
    path.mkdir(exist_ok=True)
    return RunState(folder := RunFolder(path), Reporter(folder), stop=Stop(**limits))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (89, "89 s"), (600, "10 min"), (7200, "2 h"), (12000, "3 h 20 min"), (187200, "2 days 4 h"),
     (1e9, "11,574 days")],
)  # fmt: skip
def test_durations_in_words(seconds, words):
    assert in_words(seconds) == words


@pytest.mark.parametrize(
    ("every", "seen", "count"),
    [
        (10, 0, 20), (10, 5000, 20), (10, 10000, 19), (10, 199999, 1), (10, 200000, 0),
        (0, 0, 1), (30, 0, 7), (300, 0, 1),
    ],
)  # fmt: skip
def test_evaluations_are_counted_to_the_end(every, seen, count):
    """Against the schedule itself: crossings of multiples, and one more at the end where that is none."""
    stop = Stop(max_kimg=200)
    assert count_evaluations(stop, every, images_seen=seen, per_round=64) == count
    clock, found = Clock(images_seen=seen), 0
    while not stop.counted_out(clock):
        clock.advance(100, (), generators_moved=True)
        found += clock.crossed(every)
    assert count in (found, found + 1)
    assert (count > found) == (not clock.crossed(every) and seen < 200000)


def test_the_count_follows_rounds_too_and_time_alone_tells_nothing():
    assert count_evaluations(Stop(max_rounds=100), 1, images_seen=0, per_round=64) == 7
    assert count_evaluations(Stop(max_time=5), 1, images_seen=0, per_round=64) == 0


def test_the_whole_run_is_training_and_evaluations(tmp_path):
    run = run_of(tmp_path, max_kimg=200)
    run.metrics = Metrics([SmallFrechet(every_kimg=10)])
    run.evaluation_seconds = {"metric/small_frechet": 30.0}
    clock = Clock(iteration=100, images_seen=10_000)
    (sentence,) = whole_run(run, clock, 100.0, device="cpu")
    assert sentence == (
        "The whole run will take about 41 min: 32 min of training at 100 images/s and 10 min for 19 evaluations."
    )
    assert seconds_left(run, clock, 100.0) == 1900 + 19 * 30
    run.stop.max_seconds = 60
    (sentence,) = whole_run(run, clock, 100.0, device="cpu")
    assert sentence.startswith("max_time ends the run in 60 s; all of it would take about 41 min: ")
    assert seconds_left(run, clock, 100.0) == pytest.approx(60, abs=1)


def test_unreasonable_runs_name_two_options():
    assert slow_training(2 * 86400, device="cuda") is None
    said = slow_training(2 * 86400, device="cpu")
    assert said is not None
    assert "max_kimg" in said
    assert "max_time" in said
    assert slow_evaluations(1000, num_samples=50_000, instead="x") is None
    said = slow_evaluations(4 * 3600, num_samples=50_000, instead="metrics=small takes seconds")
    assert said == (
        "Evaluations alone take 4 h on this machine. metrics.num_samples=2000 would take 10 min in all; "
        "metrics=small takes seconds."
    )


def test_evaluations_are_announced_before_the_first_round(tmp_path):
    run, said = run_of(tmp_path, max_kimg=200), []
    run.metrics = Metrics([SmallFrechet(every_kimg=10, num_samples=50_000)])
    run.evaluation_seconds = {"metric/small_frechet": 200.0}
    announce_evaluations(run, Clock(), said.append, per_round=64)
    assert said[0] == (
        "An evaluation of 50,000 samples will take about 3 min, all 21 of this run about 70 min."
    )
    assert re.search(r"metrics\.num_samples=7000 .* metrics\.every_kimg=0 ", said[1])


def test_the_forecast_comes_once_after_two_measured_seconds(tmp_path, monkeypatch, caplog):
    now = [0.0]
    monkeypatch.setattr(forecast_module.time, "perf_counter", lambda: now[0])
    run = run_of(tmp_path, max_rounds=1000)
    game, forecast, stream = dcgan(), Forecast(run=run), batches(8)
    game.round_callbacks = [forecast]
    forecast.on_train_epoch_start(None, game)
    caplog.set_level("INFO", logger="gan_lab")
    for done in range(1, 21):
        now[0] += 5.0 if done == 1 else 0.5  # the first round warms up
        play_rounds(game, stream, 1)
        # Two seconds are measured after the fifth round.
        assert len(caplog.messages) == (done >= 5), done
    assert "8 min of training at 16 images/s" in caplog.messages[0]


def test_the_block_reads_what_is_there_anyway(tmp_path):
    run = run_of(tmp_path, max_rounds=100)
    game = play_rounds(dcgan(), batches(8), 3)
    block = TrainingBlock(run, game)
    rows = ["".join(text for text, _ in line) for line in block.lines(59, top=True)]
    assert rows[0].startswith("Training ━")
    assert rows[1:] == ["0.0 kimg", "losses after round 50", "round 4 of 100"]
    block.values = {"loss/discriminator": 1.0, "loss/discriminator/adversarial": 1.0, "loss/generator": 2.5,
                    "speed/images_per_s": 80.0}  # fmt: skip
    run.shown["metric"] = "small_frechet 12.5 at 0 kimg"
    run.interrupts.pending = 2
    rows = ["".join(text for text, _ in line) for line in block.lines(59, top=True)]
    assert rows[1:] == [
        "0.0 kimg, 80 images/s, 12.5 s/kimg, 0:10 left",
        "D 1.000  G 2.500   small_frechet 12.5 at 0 kimg",
        "stopping and saving after round 4 of 100",
    ]
    assert all(len(row) <= 30 for row in rows_at(block, 30)[1:])


def rows_at(block, columns):
    return ["".join(text for text, _ in line) for line in block.lines(columns, top=False)]
