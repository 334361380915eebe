"""What was due when a run was stopped or killed is done when it goes on: evaluations, grids, best.ckpt, curves."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import time
from itertools import product

import pytest

from gan_lab.storage.checkpoint import load_checkpoint
from tests.conftest import REPOSITORY, now_and_slow

ROUNDS = 3
COMMAND = [
    "debug=tiny", "logger=none", f"max_rounds={ROUNDS}", "max_kimg=null", "log_every_rounds=1", "metrics.every_kimg=0",
    "metrics.num_samples=16000", "resume=auto",
]  # fmt: skip
SCORE = "metric/small_frechet"
CODES = {"SIGKILL": -signal.SIGKILL, "SIGTERM": 143}


def started(folder, *options):
    return subprocess.Popen(
        [sys.executable, "-m", "gan_lab.train", *COMMAND, *options, f"hydra.run.dir={folder}"],
        cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def until(holds, process, seconds=240):
    end = time.monotonic() + seconds
    while not holds():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.01)


def records(folder):
    path = folder / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def scored(folder):
    return {record["iteration"]: record[SCORE] for record in records(folder) if SCORE in record}


def evaluates_first(folder):
    log = folder / "train.log"
    return log.is_file() and "An evaluation of" in log.read_text()


def evaluates_last(folder):
    return [r["iteration"] for r in records(folder)][-1:] == [ROUNDS]


MOMENTS = {"first": (evaluates_first, []), "last": (evaluates_last, [0])}


def nothing_is_owed(folder):
    """Every record once, the newest value as the run's, its weights and pictures."""
    assert [r["iteration"] for r in records(folder)] == [0, *range(1, ROUNDS + 1), ROUNDS]
    values = scored(folder)
    assert list(values) == [0, ROUNDS]
    status = json.loads((folder / "status.json").read_text())
    assert (status["state"], status["metric"]) == ("finished", values[ROUNDS])
    state = load_checkpoint(folder / "checkpoints" / "last.ckpt")
    assert state["evaluation"]["last_images"] == state["clock"]["images_seen"]
    best = load_checkpoint(folder / "checkpoints" / "best.ckpt")
    assert best["clock"]["iteration"] == ROUNDS, "the untrained generator is never the best"
    assert len(list((folder / "samples").glob("kimg-*.png"))) == 2
    assert (folder / "curves.png").is_file()


@pytest.mark.parametrize(
    ("name", "moment"), now_and_slow(product(CODES, MOMENTS), [("SIGKILL", "last"), ("SIGTERM", "first")])
)  # fmt: skip
def test_an_evaluation_that_was_cut_off_is_made_when_the_run_goes_on(name, moment, tmp_path):
    folder = tmp_path / "run"
    under_way, known = MOMENTS[moment]
    process = started(folder)
    until(lambda: under_way(folder), process)
    time.sleep(0.7)
    process.send_signal(getattr(signal, name))
    said, _ = process.communicate(timeout=240)
    assert process.returncode == CODES[name], said
    assert list(scored(folder)) == known, "the signal must have come during the evaluation"
    assert not (folder / "curves.png").exists()

    process = started(folder)
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    nothing_is_owed(folder)
    if moment == "last":
        assert "what was due at the end" in said
        assert "nothing to train. Raise" not in said


@pytest.mark.parametrize("rounds", now_and_slow([0, 1], [0]))
def test_an_early_kill_leaves_one_record_of_the_start(rounds, tmp_path):
    folder = tmp_path / "run"
    process = started(folder, "metrics.num_samples=64", "max_rounds=1000000")
    until(lambda: [r["iteration"] for r in records(folder)][-1:] >= [rounds], process)
    process.kill()
    process.communicate(timeout=240)
    process = started(folder, "metrics.num_samples=64")
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    nothing_is_owed(folder)


@pytest.mark.slow
def test_where_nothing_is_owed_nothing_is_done(tmp_path):
    folder = tmp_path / "run"
    for expected in ("", "nothing to train. Raise max_kimg"):
        process = started(folder, "metrics.num_samples=64")
        said, _ = process.communicate(timeout=240)
        assert process.returncode == 0, said
        assert expected in said
        nothing_is_owed(folder)
    assert all(math.isfinite(value) for value in scored(folder).values())
