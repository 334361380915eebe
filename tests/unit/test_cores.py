"""How many processors a process may use: affinity, quotas of nested control groups, and what others leave free."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gan_lab.process import cores
from gan_lab.process.cores import free, mark, physical, processors, quota


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_quota_of_version_2_is_the_tightest_of_all_nested_groups(tmp_path):
    member = write(tmp_path / "cgroup", "0::/lab/pod/run\n")
    write(tmp_path / "fs/lab/pod/run/cpu.max", "max 100000\n")
    write(tmp_path / "fs/lab/pod/cpu.max", "250000 100000\n")
    write(tmp_path / "fs/lab/cpu.max", "800000 100000\n")
    assert quota(tmp_path / "fs", member) == 2.5


def test_inside_a_container_the_mount_is_the_group(tmp_path):
    member = write(tmp_path / "cgroup", "0::/docker/0123\n")
    write(tmp_path / "fs/cpu.max", "150000 100000\n")
    assert quota(tmp_path / "fs", member) == 1.5


def test_a_quota_of_version_1_is_the_tightest_too(tmp_path):
    member = write(tmp_path / "cgroup", "4:memory:/a\n3:cpu,cpuacct:/a/b\n1:name=systemd:/\n")
    for group, allowed in (("a/b", "-1"), ("a", "400000"), ("", "-1")):
        place = tmp_path / "fs/cpu,cpuacct" / group
        write(place / "cpu.cfs_quota_us", f"{allowed}\n")
        write(place / "cpu.cfs_period_us", "100000\n")
    assert quota(tmp_path / "fs", member) == 4


@pytest.mark.parametrize("content", ["max 100000\n", "nonsense\n", ""])
def test_without_a_limit_there_is_none(tmp_path, content):
    member = write(tmp_path / "cgroup", "0::/\n")
    write(tmp_path / "fs/cpu.max", content)
    assert quota(tmp_path / "fs", member) is None
    assert quota(tmp_path / "fs", tmp_path / "missing") is None


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_processors_follow_the_affinity():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert processors() == [min(before)]
    finally:
        os.sched_setaffinity(0, before)


def test_two_threads_of_one_core_are_one(tmp_path):
    for number, siblings in ((0, "0,2\n"), (1, "1,3\n"), (2, "0,2\n"), (3, "1,3\n")):
        write(tmp_path / f"cpu{number}/topology/thread_siblings_list", siblings)
    assert physical([0, 1, 2, 3], tmp_path) == 2
    assert physical([0, 1], tmp_path / "missing") == 2, "each counts where the system does not tell"


def test_own_work_counts_as_free_and_that_of_others_does_not(monkeypatch):
    now = mark([0, 1])
    if now is None:
        pytest.skip("this system does not tell how idle it is")
    monkeypatch.setattr(cores, "mark", lambda numbers: now)
    since = now.time - 10
    assert free(replace(now, time=since, own=now.own - 10), [0, 1]) == pytest.approx(1.0)
    assert free(replace(now, time=since, idle=now.idle - 5), [0, 1]) == pytest.approx(0.5)
    assert free(replace(now, time=since), [0, 1]) == 0.0
    assert free(replace(now, time=since, idle=now.idle - 99), [0, 1]) == 2.0


def test_an_old_mark_tells_nothing(monkeypatch):
    looks = []
    monkeypatch.setattr(cores, "SHORT", 0.01)
    monkeypatch.setattr(cores, "mark", lambda numbers: looks.append(numbers))
    old = cores.Mark(time.monotonic() - 2 * cores.STALE, 0.0, 0.0)
    assert free(old, [0, 1]) == 2.0, "where the system does not tell, all are free"
    assert len(looks) == 2, "a short look takes its place"
