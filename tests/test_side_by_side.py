"""Runs that share a machine, as whole commands: what they say, what they leave in their folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from gan_lab.process.threads import COUNTS, SPINNING, SPINS
from tests.conftest import REPOSITORY

TINY = ("debug=tiny", "metrics=none", "logger=none", "strategy=cpu")
DEFAULT = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@pytest.fixture
def environment(tmp_path):
    """Nothing of OpenMP is set, and the runs of this test see only each other."""
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)  # else it is not taken
    kept = {k: v for k, v in os.environ.items() if k not in (*COUNTS, *SPINNING)}
    return {**kept, "XDG_RUNTIME_DIR": str(runtime), "PYTHONPATH": str(REPOSITORY)}


def command(folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "gan_lab.train", *TINY, f"hydra.run.dir={folder}", *options]


def stored(folder: Path) -> dict:
    return json.loads((folder / "environment.json").read_text())


@pytest.mark.skipif(
    not DEFAULT or DEFAULT < 2 or sys.platform != "linux", reason="needs Linux, two cores"
)
@pytest.mark.slow
def test_a_run_beside_another_takes_its_share_and_a_resumed_one_tells_of_the_change(
    tmp_path, environment
):
    run = {"cwd": REPOSITORY, "env": environment, "text": True}
    long = command(tmp_path / "long", "max_rounds=null", "max_kimg=100000")
    other = subprocess.Popen(long, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **run)
    try:
        end = time.monotonic() + 300
        while not (tmp_path / "long/environment.json").is_file():
            assert other.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
        done = subprocess.run(command(tmp_path / "b"), capture_output=True, timeout=400, **run)
    finally:
        other.kill()
        other.wait()
    assert done.returncode == 0, done.stderr
    sentence = "at work on this machine, so this run works with"
    assert sentence in done.stderr
    assert sentence in (tmp_path / "b/train.log").read_text()
    share = stored(tmp_path / "b")["threads"]
    assert share == max(1, stored(tmp_path / "long")["threads"] // 2) or share < DEFAULT
    assert sentence in stored(tmp_path / "b")["threads_because"]
    assert stored(tmp_path / "b")["openmp"] == {"GOMP_SPINCOUNT": SPINS}

    # The sign of a killed run is gone with it, and what the user sets is taken.
    set_now = {**run, "env": {**environment, "OMP_NUM_THREADS": str(share + 1)}}
    done = subprocess.run(
        command(tmp_path / "b", "resume=auto", "max_rounds=8"),
        capture_output=True, timeout=400, **set_now,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"The number of threads is as set: OMP_NUM_THREADS={share + 1}." in done.stderr
    assert f"before and has {share + 1} now" in done.stderr
    assert stored(tmp_path / "b")["threads"] == share + 1


@pytest.mark.skipif(
    not DEFAULT or DEFAULT < 2 or sys.platform != "linux", reason="needs Linux, two cores"
)
def test_two_runs_that_start_together_take_half_each(tmp_path, environment):
    run = {"cwd": REPOSITORY, "env": environment, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command(tmp_path / name), **run) for name in ("a", "b")]
    said = [process.communicate(timeout=500)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert all("at work on this machine, so this run works with" in one for one in said)
    assert [stored(tmp_path / name)["threads"] <= DEFAULT // 2 for name in ("a", "b")] == [True] * 2


@pytest.mark.skipif(not DEFAULT or DEFAULT < 2, reason="needs two processors")
@pytest.mark.slow
def test_jobs_of_a_parallel_sweep_share_the_processors(tmp_path, environment):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    given = [
        sys.executable, "-m", "gan_lab.train", *TINY, "-m", "seed=0,1,-1", "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=2", f"hydra.sweep.dir={tmp_path}/sweep",
    ]  # fmt: skip
    done = subprocess.run(
        given, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=500
    )
    # The third one fails in a process of its own, which is told all the same.
    assert done.returncode == 1, done.stderr
    assert "job 3 of 3: seed=-1\n" in done.stderr
    assert done.stderr.endswith("1 of the jobs failed: 2.\n")
    for job in ("0", "1"):
        found = stored(tmp_path / "sweep" / job)
        assert found["threads"] <= DEFAULT // 2
        assert found["threads_because"].startswith("Up to 2 jobs of the sweep share the machine")
        assert found["openmp"]["GOMP_SPINCOUNT"] == SPINS


def test_training_from_python_leaves_torchs_number_as_it_was(tmp_path, monkeypatch):
    from gan_lab.train import compose, train

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    train(compose(TINY), tmp_path / "run")
    assert torch.get_num_threads() == before
    assert stored(tmp_path / "run")["threads"] == before
