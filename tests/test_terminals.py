"""A terminal that is lost, closed, frozen or never there ends no run; real pipes, ptys and processes."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import subprocess
import sys
import termios
import time

import pytest
from PIL import Image

from tests.conftest import REPOSITORY, now_and_slow

ROUNDS = 60
COMMAND = [
    sys.executable, "-m", "gan_lab.train", "debug=tiny", "logger=none", f"max_rounds={ROUNDS}", "log_every_rounds=1",
    "max_kimg=null", "metrics=none",
]  # fmt: skip


def started(folder, **streams):
    """The training command, with its run folder below `folder`."""
    return subprocess.Popen(
        [*COMMAND, f"hydra.run.dir={folder}/run"], cwd=REPOSITORY, stdin=subprocess.DEVNULL, **streams
    )  # fmt: skip


def finished(folder, process, *, code=0):
    """Wait for the end; the run must be whole, and its log must hold what the terminal did not."""
    assert process.wait(timeout=240) == code
    status = json.loads((folder / "run" / "status.json").read_text())
    assert status["state"] == "finished", status
    records = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(records[-1])["iteration"] == ROUNDS
    log = (folder / "run" / "train.log").read_text()
    assert "Run folder: " in log
    assert "more samples" in log


def fill(descriptor):
    """Write into a pipe or terminal until it takes no more, without changing it for others."""
    way = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        for size in (4096, 1):
            try:
                while True:
                    os.write(way, b"." * size)
            except BlockingIOError:
                continue
    finally:
        os.close(way)


def lines_of(descriptor, count):
    """Read until so many lines have come."""
    said = b""
    while said.count(b"\n") < count:
        said += os.read(descriptor, 1)
    return said


@pytest.mark.parametrize("where", now_and_slow(["stderr", "both"], ["stderr"]))
def test_a_reader_that_leaves_after_two_lines(tmp_path, where):
    """As `2>&1 | head -2` does."""
    reading, writing = os.pipe()
    streams = {"stderr": writing, "stdout": writing if where == "both" else subprocess.DEVNULL}
    process = started(tmp_path, **streams)
    os.close(writing)
    lines_of(reading, 2)
    os.close(reading)
    finished(tmp_path, process)


@pytest.mark.parametrize("kind", now_and_slow(["pipe", "terminal"], ["terminal"]))
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="fills the pipe through /proc")
def test_nobody_reads(tmp_path, kind):
    """A full pipe, and the terminal of a connection that is frozen."""
    reading, writing = os.pipe() if kind == "pipe" else pty.openpty()
    fill(writing)
    process = started(tmp_path, stderr=writing)
    try:
        finished(tmp_path, process)
    finally:
        process.kill()
        os.close(writing)
        os.close(reading)


def on_a_terminal(folder, *before, options=()):
    """The command as the leader of a session whose terminal is a new pty; returns it and the pty's other end."""
    master, slave = pty.openpty()

    def own_terminal():
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [*before, *COMMAND, *options, f"hydra.run.dir={folder}/run"],
        cwd=REPOSITORY, stdin=slave, stdout=slave, stderr=slave, preexec_fn=own_terminal,
    )  # fmt: skip
    os.close(slave)
    return process, master


def test_a_closed_terminal_under_nohup(tmp_path):
    """Nohup keeps the hang-up away; the terminal itself gives errors from then on."""
    process, master = on_a_terminal(tmp_path, "/bin/sh", "-c", 'trap "" HUP; exec "$0" "$@"')
    lines_of(master, 2)
    os.close(master)
    finished(tmp_path, process)


@pytest.mark.slow
def test_no_terminal_from_the_start(tmp_path):
    """As a shell's `>&- 2>&-`: files that the run opens must not be taken for its output."""
    shell = ["/bin/sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-']
    process = subprocess.Popen([*shell, *COMMAND, f"hydra.run.dir={tmp_path}/run"], cwd=REPOSITORY)
    finished(tmp_path, process)


def test_a_reader_that_wakes_up_reads_on(tmp_path):
    """What did not fit is dropped, not what comes later."""
    reading, writing = os.pipe()
    fill(writing)
    process = started(tmp_path, stderr=writing)
    os.close(writing)
    until = time.monotonic() + 200
    while not (tmp_path / "run" / "metrics.jsonl").exists() and time.monotonic() < until:
        time.sleep(0.1)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode().lstrip(".")
    finished(tmp_path, process)
    assert "more samples" in said
    assert "Run folder:" not in said


def test_what_is_said_before_the_folder_exists_is_in_its_log(tmp_path, monkeypatch):
    """Messages of the cache and of the statistics are the run's too, whatever module says them."""
    monkeypatch.setenv("GAN_LAB_CACHE", str(tmp_path / "cache"))
    for index in range(20):
        Image.new("L", (32, 32), index).save(tmp_path / f"{index}.png")
    done = subprocess.run(
        [*COMMAND, f"hydra.run.dir={tmp_path}/run", "data=image_folder", f"data.root={tmp_path}"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ticks = re.compile(r"kimg .* images/s")
    shown = [line for line in done.stderr.splitlines() if not ticks.search(line)]
    assert "20 images in" in done.stderr, "the cache says what it has prepared"
    said = (tmp_path / "run" / "train.log").read_text().splitlines()
    steady = [line for line in shown if not re.search(r" \.\.\.( \(\d+:\d\d\))?$", line)]
    assert steady == said, "all but what only tells that something takes its time"
    tick = r"[\d.]+ kimg  \S+ images/s  \S+ s/kimg  0:00 left  D \d+\.\d+  G \d+\.\d+"
    assert [line for line in done.stderr.splitlines() if re.match(tick, line)], done.stderr
    assert "Loading libraries ..." in done.stderr


@pytest.mark.parametrize("command", ["compare", "sample", "train"])
def test_results_into_a_pipe_that_is_closed(command, tmp_path):
    """`| head -0`: no trace of an error, whatever the command prints."""
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen(
        [sys.executable, "-m", f"gan_lab.{command}", "--help"],
        cwd=REPOSITORY, stdout=writing, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(writing)
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
