"""The long checks in small: kills at random moments, signals at chosen ones, damage of every kind, and equal bits."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

CHECKS = REPOSITORY / "scripts" / "checks"


def passes(script, *arguments):
    done = subprocess.run(
        [sys.executable, str(CHECKS / script), *map(str, arguments)],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=3000,
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("model", "ranks"), [("dcgan", 1), ("wgan_gp", 1), ("dcgan", 2)])
def test_killed_runs_equal_the_straight_one(model, ranks):
    kills = 6 if ranks == 1 else 2
    said = passes("kills.py", "--models", model, "--kills", kills, "--ranks", ranks)
    assert f"{kills} of {kills} equal the straight run" in said


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_no_damage_gets_through():
    said = passes("damage.py", "--truncations", 5, "--bits", 8, "--pages", 4)
    assert said.count("\n| ") == 12 + 1, "three kinds of damage, four uses, and the head"


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_stopped_runs_leave_nothing_undone():
    said = passes("stops.py", "--each", 1, "--signals", "SIGTERM", "SIGHUP")
    assert "10 of 10 stops are right" in said


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_bits_equal_the_same_tree_and_differ_from_one_that_computes_otherwise(tmp_path):
    assert "1 of 1 equal" in bits(REPOSITORY).stdout
    for part in ("gan_lab", "conf", "pyproject.toml"):
        source = REPOSITORY / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / part)
    adam = tmp_path / "conf" / "optimizer" / "adam.yaml"
    adam.write_text(adam.read_text().replace("eps: 1e-8", "eps: 1.001e-8"))
    moved = bits(tmp_path)
    assert moved.returncode == 1
    assert "0 of 1 equal" in moved.stdout, moved.stdout + moved.stderr


def bits(before):
    few = ["--models", "dcgan", "--precisions", "32-true", "--rounds", "2"]
    return subprocess.run(
        [sys.executable, CHECKS / "bits.py", before, *few], capture_output=True, text=True
    )
