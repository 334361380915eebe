"""Signals that end a run, sent to real processes in each of its phases: the right code, sentence and state."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, now_and_slow
from tests.test_terminals import lines_of, on_a_terminal

CODES = {"SIGHUP": 129, "SIGINT": 130, "SIGTERM": 143, "SIGUSR1": 128 + signal.SIGUSR1}
LONG = ["max_rounds=1000000", "max_kimg=null", "log_every_rounds=1"]
SLOW_EVALUATION = ["metrics.num_samples=20000"]
PHASES = {
    "import": LONG,
    "first evaluation": [*LONG, *SLOW_EVALUATION],
    "training": [*LONG, "metrics=none"],
    "last evaluation": ["max_rounds=3", "log_every_rounds=1", *SLOW_EVALUATION],
}


def started(folder, options, **others):
    return subprocess.Popen(
        [sys.executable, "-m", "gan_lab.train", "debug=tiny", "logger=none", *options, f"hydra.run.dir={folder}"],
        cwd=REPOSITORY, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **others,
    )  # fmt: skip


def until(holds, process, seconds=240):
    """Wait until something holds, as long as the process lives."""
    end = time.monotonic() + seconds
    while not holds():
        assert process.poll() is None, process.stderr.read() if process.stderr else "it has ended"
        assert time.monotonic() < end
        time.sleep(0.05)


def has(path, word):
    return path.is_file() and word in path.read_text()


def iteration(folder):
    """The last recorded."""
    records = folder / "metrics.jsonl"
    lines = records.read_text().splitlines() if records.is_file() else []
    return json.loads(lines[-1])["iteration"] if lines else -1


def listens(pid):
    """Whether the process has a handler for SIGTERM, as /proc tells: its libraries are imported from then on."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def reach(phase, folder, process):
    if phase == "import":
        until(lambda: listens(process.pid), process)
    elif phase == "first evaluation":
        until(lambda: has(folder / "train.log", "An evaluation of"), process)
        time.sleep(1.0)
    else:
        until(lambda: iteration(folder) >= 3, process)


def state(folder):
    return json.loads((folder / "status.json").read_text())


NOW = {
    ("SIGTERM", "import"),
    ("SIGTERM", "first evaluation"),
    ("SIGINT", "training"),
    ("SIGHUP", "training"),
}
CASES = now_and_slow(product(CODES, PHASES), NOW)


@pytest.mark.parametrize(("name", "phase"), CASES)
def test_a_signal_ends_a_run(name, phase, tmp_path):
    folder = tmp_path / "run"
    process = started(folder, PHASES[phase])
    reach(phase, folder, process)
    process.send_signal(getattr(signal, name))
    _, said = process.communicate(timeout=240)
    assert process.returncode == CODES[name], said
    assert said.splitlines()[-1] == f"Stopped by {name}."
    assert "Traceback" not in said
    if phase == "import":
        assert not folder.exists()
        return
    assert (state(folder)["state"], state(folder)["reason"]) == ("interrupted", name)
    assert (folder / "checkpoints" / "last.ckpt").is_file()


def maps_torch(pid):
    """Whether torch's C++ is loaded by now: what its own modules import comes after that."""
    return "libtorch_cpu" in Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.parametrize(
    "delay", [0.0, 0.1, *(pytest.param(d / 20, marks=pytest.mark.slow) for d in (1, 3, 5, 8, 12))]
)
def test_a_signal_while_torch_is_imported_ends_cleanly(tmp_path, delay):
    """An exception through C++ that is being set up would end the process by abort()."""
    folder = tmp_path / "run"
    process = started(folder, PHASES["training"])
    until(lambda: maps_torch(process.pid), process)
    time.sleep(delay)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=240)
    assert process.returncode == CODES["SIGTERM"], said
    assert said.splitlines()[-1] == "Stopped by SIGTERM."
    assert "Traceback" not in said
    assert "terminate called" not in said


def test_signals_come_in_twos_and_threes(tmp_path):
    """Of the terminal, the shell and the scheduler: the save is not cut short."""
    folder = tmp_path / "run"
    process = started(folder, PHASES["training"])
    reach("training", folder, process)
    for name in ("SIGHUP", "SIGTERM", "SIGTERM", "SIGUSR1"):
        process.send_signal(getattr(signal, name))
        time.sleep(0.01)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 129, said
    assert state(folder)["state"] == "interrupted"


def test_a_job_of_slurm_saves_and_leaves_nothing_elsewhere(tmp_path):
    """Lightning would write hpc_ckpt_1.ckpt where the run was started, requeue, and load it into every later run."""
    variables = {
        "SLURM_JOB_ID": "4242", "SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0",
        "SLURM_JOB_NAME": "train", "SLURM_NODELIST": "node1",
    }  # fmt: skip
    start, folder, asked = tmp_path / "start", tmp_path / "run", tmp_path / "asked"
    for place in (start, tmp_path / "bin"):
        place.mkdir()
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.write_text(f"#!/bin/sh\necho $* >> {asked}\n")
    scontrol.chmod(0o755)
    (start / "hpc_ckpt_1.ckpt").write_bytes(b"of another run")
    environment = {
        **os.environ,
        **variables,
        "PATH": f"{scontrol.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "gan_lab.train", "debug=tiny", "logger=none", *PHASES["training"],
         f"hydra.run.dir={folder}"],
        cwd=start, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    reach("training", folder, process)
    process.send_signal(signal.SIGUSR1)
    _, said = process.communicate(timeout=240)
    assert process.returncode == CODES["SIGUSR1"], said
    assert state(folder)["state"] == "interrupted"
    assert [path.name for path in start.iterdir()] == ["hpc_ckpt_1.ckpt"]
    assert not asked.exists(), "the job script requeues, not the run"
    assert not list(folder.rglob("hpc_ckpt*"))


def test_a_closed_terminal_saves_and_says_so_in_the_log(tmp_path):
    """Without nohup the system sends SIGHUP: nothing since the last checkpoint is lost."""
    folder = tmp_path / "run"
    process, master = on_a_terminal(tmp_path, options=PHASES["training"])
    lines_of(master, 2)
    drain = subprocess.Popen(["cat"], stdin=master, stdout=subprocess.DEVNULL)
    until(lambda: iteration(folder) >= 3, process)
    drain.kill()
    drain.wait()
    os.close(master)
    assert process.wait(timeout=240) == 129
    assert (state(folder)["state"], state(folder)["reason"]) == ("interrupted", "SIGHUP")
    assert has(folder / "train.log", "Stopped by SIGHUP.")


@pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux on this machine")
def test_tmux_kill_session(tmp_path):
    folder, server = tmp_path / "run", f"gan-lab-test-{os.getpid()}"
    line = " ".join(
        [sys.executable, "-m", "gan_lab.train", "debug=tiny", "logger=none", *PHASES["training"],
         f"hydra.run.dir={folder}"]
    )  # fmt: skip
    tmux = ["tmux", "-L", server]
    line = f"cd {REPOSITORY} && PYTHONPATH={REPOSITORY} {line}; echo $? > {tmp_path}/code"
    subprocess.run([*tmux, "new-session", "-d", "-s", "one", line], check=True)
    end = time.monotonic() + 240
    while iteration(folder) < 3:
        assert time.monotonic() < end
        time.sleep(0.1)
    subprocess.run([*tmux, "kill-session", "-t", "one"], check=True)
    while state(folder)["state"] == "running":
        assert time.monotonic() < end
        time.sleep(0.1)
    assert (state(folder)["state"], state(folder)["reason"]) == ("interrupted", "SIGHUP")
