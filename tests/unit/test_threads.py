"""How many threads a run takes: its share beside others, never against what the user has set."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from gan_lab.process import threads
from gan_lab.process.neighbours import Sign, among_runs
from gan_lab.process.threads import Party, Situation, before_torch, decide, set_by_user, sharing
from gan_lab.run.jobs import jobs_at_once
from gan_lab.storage.environment import other_threads


def test_a_run_alone_takes_what_torch_takes_and_says_nothing():
    assert decide(Situation(8, allowed=8.0, free=7.5)) == threads.Threads(8)


@pytest.mark.parametrize(
    ("found", "count"),
    [
        (Situation(8, others=1), 4),
        (Situation(8, others=2), 2),
        (Situation(2, others=5), 1),
        (Situation(8, at_once=4), 2),
        (Situation(8, at_once=3, others=1), 2),
        (Situation(8, allowed=3.7), 3),
        (Situation(8, allowed=0.5), 1),
        (Situation(8, allowed=4, others=1), 2),
        (Situation(8, free=1.0), 4),
        (Situation(8, allowed=2, free=0.1), 1),
        (Situation(8, others=1, ranks=2), 2),
    ],
)
def test_beside_others_and_below_limits_it_takes_its_share_and_says_why(found, count):
    chosen = decide(found)
    assert chosen.count == count
    assert chosen.because.endswith("; OMP_NUM_THREADS sets another number.")
    assert f"with {count} of {found.by_itself} threads" in chosen.because
    assert len(chosen.because.split()) <= 25


def test_one_busy_processor_changes_nothing():
    assert decide(Situation(2, free=0.9)) == threads.Threads(2)
    assert decide(Situation(8, ranks=2)) == threads.Threads(4), "ranks share as they always do"


def test_what_the_user_has_set_wins_and_is_said():
    chosen = decide(Situation(8, others=3, free=0.0, set_by_user="OMP_NUM_THREADS=8"))
    assert chosen == threads.Threads(8, "The number of threads is as set: OMP_NUM_THREADS=8.")


def test_a_launcher_that_sets_the_share_by_a_variable_is_no_user():
    chosen = decide(Situation(1, at_once=2, set_by_user="OMP_NUM_THREADS=1"))
    assert chosen.count == 1
    assert chosen.because.startswith("Up to 2 jobs of the sweep share the machine")


def test_settings_are_found_in_variables_and_in_this_process():
    numbers = [10**6, 10**6 + 1, 10**6 + 2]  # none that exists, so each is a core
    assert set_by_user(3, numbers, {}) is None
    assert set_by_user(2, numbers, {}) == "torch.set_num_threads(2)"
    assert set_by_user(3, numbers, {"MKL_NUM_THREADS": "3"}) == "MKL_NUM_THREADS=3"


SPINNING = """
import json, os, sys
from gan_lab.process.threads import before_torch
assert "torch" not in sys.modules
before_torch()
print(json.dumps({k: v for k, v in os.environ.items() if k in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}))
"""


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, {"GOMP_SPINCOUNT": threads.SPINS}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7"}),
        ({"OMP_WAIT_POLICY": "passive"}, {"OMP_WAIT_POLICY": "passive"}),
    ],
)
def test_the_spinning_is_bounded_before_torch_unless_the_user_has_spoken(
    monkeypatch, given, wanted
):
    for name in threads.SPINNING:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run(
        [sys.executable, "-c", SPINNING], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == wanted


def test_where_torch_is_loaded_already_no_variable_is_set():
    environ: dict[str, str] = {}
    before_torch(environ)
    assert environ == {}


@pytest.fixture
def four(monkeypatch, tmp_path):
    """A machine of four processors, idle, whose runs leave their signs in a folder of the test."""
    monkeypatch.setattr(threads, "processors", lambda: [10**6 + i for i in range(4)])
    monkeypatch.setattr(threads, "allowed", lambda: None)
    monkeypatch.setattr(threads, "free", lambda since, numbers: 4.0)
    monkeypatch.setattr("gan_lab.process.neighbours.signs_folder", lambda: tmp_path / "signs")
    for name in threads.COUNTS:
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield tmp_path
    torch.set_num_threads(before)


def test_a_run_computes_with_its_share_and_torch_has_its_own_number_back(four):
    with sharing(Party(four / "a")) as first:
        assert (first.count, torch.get_num_threads()) == (4, 4)
        with sharing(Party(four / "b")) as second:
            assert (second.count, torch.get_num_threads()) == (2, 2)
            assert second.because.startswith("Beside it another run is at work on this machine")
            assert second.plain({}) == {
                "threads": 2, "threads_because": second.because, "openmp": {},
            }  # fmt: skip
    assert torch.get_num_threads() == 4
    with sharing(Party(four / "c")) as later:
        assert later.count == 4, "a sign goes with its run"


def test_jobs_of_one_sweep_are_counted_once(four):
    sweep = {"group": str(four), "at_once": 2}
    with (
        sharing(Party(four / "0", **sweep)),
        sharing(Party(four / "1", **sweep)) as job,
    ):
        assert job.count == 2, "not divided by its neighbour again"


def test_ranks_get_their_share_and_hand_it_on(four, monkeypatch):
    import os

    with sharing(Party(four / "a", ranks=2)) as chosen:
        assert (chosen.count, os.environ["OMP_NUM_THREADS"]) == (2, "2")
        with sharing(Party(four / "a", ranks=2, first=False)) as other:
            assert other.count == 2, "the first rank is no other run"
    assert "OMP_NUM_THREADS" not in os.environ


def test_runs_on_other_processors_do_not_count(four):
    elsewhere = Sign("x", None, [0])
    with among_runs(elsewhere), sharing(Party(four / "a")) as chosen:
        assert chosen.count == 4


HOLD = """
import sys
from pathlib import Path
from gan_lab.process.neighbours import Sign, among_runs
with among_runs(Sign("other", None, ()), Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_sign_of_a_killed_run_is_cleared_away(tmp_path):
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert other.stdout.readline() == "held\n"
    own = Sign("own", None, (0,))
    with among_runs(own, tmp_path) as runs:
        assert [one.run for one in runs] == ["other"]
    other.kill()
    other.communicate()
    assert list(tmp_path.glob("*.json")), "a kill leaves the file"
    with among_runs(own, tmp_path) as runs:
        assert runs == []
        assert len(list(tmp_path.glob("*.json"))) == 1, "its own"


def test_a_folder_that_cannot_be_written_costs_no_run(tmp_path):
    (tmp_path / "file").write_text("")
    with among_runs(Sign("own", None, ()), tmp_path / "file" / "signs") as runs:
        assert runs == []


@pytest.mark.parametrize(("given", "count"), [(3, 3), (None, 1), (0, 1)])
def test_the_launcher_tells_how_many_jobs_run_at_once(given, count):
    assert jobs_at_once(OmegaConf.create({"launcher": {"n_jobs": given}})) == count
    assert jobs_at_once(OmegaConf.create({"launcher": {}})) == 1


def test_minus_one_is_a_job_for_each_processor(monkeypatch):
    monkeypatch.setattr("gan_lab.run.jobs.processors", lambda: [0, 1, 2, 3])
    assert jobs_at_once(OmegaConf.create({"launcher": {"n_jobs": -1}})) == 4
    assert jobs_at_once(OmegaConf.create({"launcher": {"n_jobs": -2}})) == 3


def test_a_resumed_run_says_that_its_threads_differ(tmp_path):
    stored = Path(tmp_path, "environment.json")
    assert other_threads(stored, 2) == []
    stored.write_text(json.dumps({"threads": 2}))
    assert other_threads(stored, 2) == []
    assert other_threads(stored, 1) == [
        "The run had 2 threads before and has 1 now: its numbers may differ in their last bits; "
        "OMP_NUM_THREADS=2 keeps them."
    ]
