"""What a newcomer sees: `make train` makes recognisable clothes of all ten kinds in minutes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import gan_lab
from gan_lab.data.sets.fashion_mini import FashionMini
from gan_lab.media.images import to_uint8
from gan_lab.metrics.small import SmallFrechet
from gan_lab.metrics.small_features import SmallFeatures

KEY = "metric/small_frechet"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a finished `make train`: GAN_LAB_FIRST_RUN names one, else it is made here."""
    if os.environ.get("GAN_LAB_FIRST_RUN"):
        return Path(os.environ["GAN_LAB_FIRST_RUN"])
    folder = tmp_path_factory.mktemp("first") / "run"
    command = [sys.executable, "-m", "gan_lab.train", "experiment=first_run", "logger=none"]
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    started = time.monotonic()
    subprocess.run([*command, f"hydra.run.dir={folder}"], check=True, env=environment)
    print(f"the first run took {time.monotonic() - started:.0f} s")
    return folder


def scores(folder):
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [r[KEY] for r in records if KEY in r]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_metric_falls_to_a_fiftieth_and_near_the_reals(run):
    found = scores(run)
    assert found[-1] <= found[0] / 50
    metric = SmallFrechet(num_samples=2000)
    source = FashionMini()
    metric.prepare(source, torch.device("cpu"))
    held_out = source.load("test").images
    real = metric.score(lambda at, n: held_out[at : at + n].float() / 127.5 - 1).values[KEY]
    print(f"start {found[0]:.1f}, end {found[-1]:.3f}, real against real {real:.4f}")
    assert found[-1] <= 25 * real


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_all_ten_classes_are_among_a_thousand_samples(run):
    samples = gan_lab.load(run).sample(1000, seed=0)
    classes = SmallFeatures(torch.device("cpu")).classify(to_uint8(samples))
    counts = torch.bincount(classes, minlength=10)
    print(f"samples per class: {counts.tolist()}")
    assert (counts > 0).all()
