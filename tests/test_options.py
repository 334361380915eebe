"""Options that nobody can mean, and files of a run that are no longer what was written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from gan_lab.common.durations import refuse_endless
from gan_lab.common.errors import ConfigError
from gan_lab.storage.run_folder import RunFolder
from gan_lab.train import main
from tests.conftest import REPOSITORY

TINY = ["debug=tiny", "logger=none", "metrics=none", "samples.num=4", "hydra.run.dir=run"]


def test_a_run_that_would_take_a_year_says_so(tmp_path):
    line = [*TINY, "max_rounds=null", "max_kimg=1e12", "log_every_rounds=1"]
    run = subprocess.Popen(
        [sys.executable, "-m", "gan_lab.train", *line],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stderr is not None
    said = next((text for text in run.stderr if text.startswith("Warning: At this pace")), "")
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=120)
    assert " days here; stop it with Ctrl-C" in said
    assert "max_kimg" in said
    assert run.returncode == 128 + signal.SIGTERM


def test_an_evaluation_of_months_is_refused():
    refuse_endless(9, seconds=30 * 86400, max_days=30)
    refuse_endless(9, seconds=1e9, max_days=None)
    with pytest.raises(
        ConfigError, match=r"metrics\.num_samples=9: one evaluation would take about 31 days"
    ):
        refuse_endless(9, seconds=31 * 86400, max_days=30)


@pytest.mark.parametrize(("days", "code"), [("1e-9", 2), ("1000000", 0), ("null", 0)])
def test_the_limit_of_an_evaluation_is_an_option(tmp_path, capsys, days, code):
    assert (
        main(
            [
                *TINY[:2],
                "samples.num=4",
                "max_rounds=1",
                f"metrics.max_days={days}",
                f"hydra.run.dir={tmp_path}/run",
            ]
        )
        == code
    )
    assert code == 0 or "more than metrics.max_days=1e-09" in capsys.readouterr().err


def test_a_damaged_status_is_written_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*TINY, "max_rounds=1"]) == 0
    run = RunFolder("run")
    run.status.write_bytes(b'{"state": "\xff\x00')
    assert main(["resume=run", "max_rounds=2"]) == 0
    assert run.read_status()["state"] == "finished"
