"""How many threads a run takes: its share beside others, never against what the user has set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from gan_lab.process import threads
from gan_lab.process.neighbours import Sign, at_work, present
from gan_lab.process.threads import (
    Party,
    Situation,
    before_torch,
    decide,
    set_by_user,
    sharing,
    starting,
)
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


def test_a_single_thread_is_named_alone():
    assert "so this run works with 1 thread;" in decide(Situation(1, others=1)).because


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


HOLD = """
import sys
from pathlib import Path
from gan_lab.process.neighbours import Sign, present
group = sys.argv[3] or None
with present(Sign(sys.argv[2], group, [int(n) for n in sys.argv[4:]]), Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_run(folder, name="other", group="", processors=()):
    """A process that leaves the sign of a run."""
    given = [str(folder / "signs"), name, group, *map(str, processors)]
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, *given],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_run_computes_with_its_share_and_torch_has_its_own_number_back(four):
    with sharing(Party(four / "a")) as alone:
        assert (alone.count, torch.get_num_threads()) == (4, 4)
    with another_run(four), sharing(Party(four / "b")) as second:
        assert (second.count, torch.get_num_threads()) == (2, 2)
        assert second.because.startswith("Beside it another run is at work on this machine")
        wanted = {"threads": 2, "threads_because": second.because, "openmp": {}}
        assert second.plain({}) == wanted
    assert torch.get_num_threads() == 4
    with sharing(Party(four / "c")) as later:
        assert later.count == 4, "a sign goes with its run"


def test_runs_that_start_together_see_each_other(four):
    """The sign comes before torch is loaded, the choice behind it."""
    with starting(four / "a"), another_run(four), sharing(Party(four / "a")) as chosen:
        assert chosen.count == 2


def test_jobs_of_one_sweep_are_counted_once(four):
    group = str(four)
    with another_run(four, group=group):
        with sharing(Party(four / "1", group=group, at_once=2)) as job:
            assert job.count == 2, "not divided by its neighbour again"
        with sharing(Party(four / "1", group=group)) as job:
            assert job.count == 2, "where the launcher does not tell, signs do"
        with sharing(Party(four / "1", group="x", at_once=2)) as job:
            assert job.count == 1, "another sweep's job counts"


def test_a_launcher_that_sets_the_share_by_a_variable_is_no_user(four, monkeypatch):
    for given, because in (("2", "Up to 2 jobs of the sweep share"), ("3", "The number of thr")):
        monkeypatch.setenv("OMP_NUM_THREADS", given)
        torch.set_num_threads(int(given))
        with another_run(four), sharing(Party(four / "1", at_once=2)) as job:
            assert job.count == torch.get_num_threads() == int(given)
            assert job.because.startswith(because)


def test_ranks_get_their_share_and_are_one_run(four):
    with (
        another_run(four, name=str(four / "a")),
        sharing(Party(four / "a", ranks=2)) as chosen,
    ):
        assert (chosen.count, os.environ["OMP_NUM_THREADS"]) == (2, "2")
    assert "OMP_NUM_THREADS" not in os.environ
    with another_run(four), another_run(four), sharing(Party(four / "b")) as chosen:
        assert chosen.count == 2, "two processes of one folder are one run"


def test_runs_on_other_processors_do_not_count(four):
    with another_run(four, processors=[0]), sharing(Party(four / "a")) as chosen:
        assert chosen.count == 4


def test_the_sign_of_a_killed_run_is_cleared_away(tmp_path):
    signs = tmp_path / "signs"
    own = Sign("own", None, (0,))
    with another_run(tmp_path):
        assert [one.run for one in at_work(own, signs)] == ["other"]
    assert list(signs.glob("*.json")), "a kill leaves the file"
    assert at_work(own, signs) == []
    assert not list(signs.glob("*.json"))


def test_a_folder_that_cannot_be_written_costs_no_run(tmp_path):
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "signs"
    with present(Sign("own", None, ()), place):
        assert at_work(Sign("own", None, ()), place) == []


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
