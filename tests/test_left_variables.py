"""Variables that a launcher left in the environment silence no tracker of a run with one process."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import pytest

from tests.conftest import now_and_slow
from tests.test_wandb import curves, records

TINY = ["debug=tiny", "model=dcgan", "metrics=none", "logger=[wandb,csv,tensorboard]"]


@pytest.mark.parametrize("variable", now_and_slow(["LOCAL_RANK", "RANK", "SLURM_PROCID"], ["RANK"]))
def test_every_tracker_has_every_record(variable, tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    done = subprocess.run(
        [sys.executable, "-m", "gan_lab.train", *TINY, f"hydra.run.dir={tmp_path}"],
        env={**kept, "WANDB_MODE": "offline", variable: "3"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    wanted = [(one["images_seen"], one["loss/generator"]) for one in lines]
    assert len(wanted) == 2
    with (tmp_path / "csv" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["images_seen"]), float(row["loss/generator"])) for row in rows] == wanted
    assert curves(records(tmp_path))["loss/generator"] == wanted
    found = event_curve(tmp_path / "tensorboard", "loss/generator")
    assert [step for step, _ in found] == [step for step, _ in wanted]
    assert [value for _, value in found] == pytest.approx([value for _, value in wanted])


def event_curve(folder, key):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return [(event.step, event.value) for event in accumulator.Scalars(key)]
