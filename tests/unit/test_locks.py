"""The lock of a run folder: it excludes, it dies with its holder, and it leaves no file behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from gan_lab.common.errors import ConfigError
from gan_lab.storage.run_folder import RunFolder
from tests.conftest import REPOSITORY

HOLD = """
import sys, time
from gan_lab.storage.run_folder import RunFolder
with RunFolder(sys.argv[1]).held():
    open(sys.argv[1] + "/kept.txt", "w").close()
    print("held", flush=True)
    time.sleep(60)
"""

# Takes the lock again and again; whoever is inside beside another finds the file that the other has made.
CONTEND = """
import os, sys
from gan_lab.storage.run_folder import RunFolder
from gan_lab.common.errors import ConfigError
entered = 0
for _ in range(400):
    try:
        with RunFolder(sys.argv[1]).held():
            os.close(os.open(sys.argv[1] + "/inside", os.O_CREAT | os.O_EXCL))
            os.unlink(sys.argv[1] + "/inside")
            entered += 1
    except ConfigError:
        pass
print(entered)
"""


def start(script, folder):
    return subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], cwd=REPOSITORY, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_nothing_is_left_of_the_lock(tmp_path):
    run = RunFolder(tmp_path / "run")
    with run.held():
        (run.path / "kept.txt").write_text("x")
        assert (run.path / ".lock").is_file()
    assert [path.name for path in run.path.iterdir()] == ["kept.txt"]


def test_folders_that_no_run_came_of_are_taken_away_again(tmp_path):
    with RunFolder(tmp_path / "a" / "b").held():
        pass
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    with RunFolder(tmp_path / "mine" / "run").held():
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_killed_holder_leaves_a_file_and_no_lock(tmp_path):
    folder = tmp_path / "run"
    holder = start(HOLD, folder)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(ConfigError, match="another process is training"), RunFolder(folder).held():
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    assert (folder / ".lock").is_file()
    with RunFolder(folder).held():
        pass
    assert [path.name for path in folder.iterdir()] == ["kept.txt"]


def test_no_two_hold_it_at_once_though_its_file_comes_and_goes(tmp_path):
    (tmp_path / "run").mkdir()
    contenders = [start(CONTEND, tmp_path / "run") for _ in range(3)]
    ends = [contender.communicate(timeout=120) for contender in contenders]
    assert [errors for _, errors in ends] == [""] * 3
    assert all(int(entered) > 0 for entered, _ in ends)
    assert list((tmp_path / "run").iterdir()) == []
