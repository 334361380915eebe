"""Toy sets of points: their laws, their picture, the metric of modes, and a run on them from start to samples."""

import json
import math

import pytest
import torch
from PIL import Image
from torch.testing import assert_close

import gan_lab
from gan_lab.common.errors import ConfigError
from gan_lab.data.sets.points import Gaussians, SwissRoll
from gan_lab.media.folders import write_folder
from gan_lab.media.points import SIDE, drawn
from gan_lab.metrics.modes import Modes, nearest_modes
from gan_lab.metrics.views import Conditions
from gan_lab.train import main
from tests.contracts.walk import built


@pytest.mark.parametrize(("shape", "count"), [("ring", 8), ("grid", 25)])
def test_every_centre_has_its_share_of_points_with_the_papers_deviation(shape, count) -> None:
    source = Gaussians(shape=shape, count=count)
    points = source.load("train").images.flatten(1)
    assert points.abs().max() <= 1
    centres = source.centres / source.scale
    if shape == "ring":
        expected = [
            (2 * math.cos(k * math.pi / 4), 2 * math.sin(k * math.pi / 4)) for k in range(8)
        ]
    else:
        expected = [(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)]
    assert_close(centres, torch.tensor(expected).float(), atol=1e-5, rtol=1e-5)
    nearest = ((points[:, None] - source.centres) ** 2).sum(dim=2).argmin(dim=1)
    off = (points - source.centres[nearest]) / source.scale
    assert float(off.std()) == pytest.approx({"ring": 0.02, "grid": 0.05}[shape], rel=0.02)
    shares = nearest.bincount(minlength=count) / len(points)
    assert_close(shares, torch.full((count,), 1 / count), rtol=0.1, atol=0)


def test_splits_differ_and_a_set_is_the_same_each_time() -> None:
    for source in (Gaussians(size=100), SwissRoll(size=100)):
        train, test = source.load("train"), source.load("test")
        assert train.fingerprint != test.fingerprint
        assert torch.equal(train.images, source.load("train").images)
        assert train.sentences() == [f"{source.name} (train): 100 points"]
        assert train.of_rows(torch.tensor([3]), "f", ()).images.shape == (1, 2, 1, 1)


def test_the_roll_winds_outward() -> None:
    points = SwissRoll(deviation=0).load("train").images.flatten(1) * 16
    radius, angle = points.norm(dim=1), torch.atan2(points[:, 1], points[:, 0])
    turns = (radius - angle) / (2 * math.pi)
    assert_close(turns, turns.round(), atol=1e-4, rtol=0)
    assert float(radius.min()) == pytest.approx(1.5 * math.pi, rel=1e-2)
    assert float(radius.max()) == pytest.approx(4.5 * math.pi, rel=1e-2)


def test_modes_are_counted_as_by_hand() -> None:
    source = Gaussians(count=4)
    metric = Modes(least=2)
    metric.prepare(source, torch.device("cpu"), Conditions())
    s = source.deviation
    given = [
        (0, 0.0), (0, 2.9), (0, 3.1),  # two near the first mode
        (1, 1.0),  # one near the second, too few
        (3, 0.0), (3, 0.0), (3, 0.0),
    ]  # fmt: skip
    points = torch.stack([source.centres[k] + torch.tensor([0, far * s]) for k, far in given])
    found = metric.score(lambda start, count: points[start : start + count, :, None, None])
    assert found is not None
    assert found.values == {"metric/modes": 2, "metric/high_quality": pytest.approx(6 / 7)}
    assert found.protocol["modes"] == 4
    reals = source.load("test").images.flatten(1)
    nearest, near = nearest_modes(reals, source.centres, reach=3 * s)
    assert len(nearest.unique()) == 4
    # Within three deviations in two dimensions.
    assert float(near.float().mean()) == pytest.approx(1 - math.exp(-4.5), abs=2e-3)


def test_points_are_one_picture_with_y_upward() -> None:
    picture = drawn(torch.tensor([[-1.0, -1.0], [1.0, 1.0], [0.0, 1.0]])[:, :, None, None])[0, 0]
    dark = {(int(r), int(c)) for r, c in (picture < 1).nonzero()}
    last = SIDE - 1
    middle = {127, 128}
    expected = {(r, c) for r in (last - 1, last) for c in (0, 1)}
    expected |= {(r, c) for r in (0, 1) for c in (*middle, last - 1, last)}
    assert dark == expected
    images = torch.zeros(2, 3, 4, 4)
    assert drawn(images) is images


def test_a_run_on_points_trains_evaluates_samples_and_loads(tmp_path) -> None:
    run = tmp_path / "run"
    common = ["experiment=modes", "logger=none", "strategy=cpu", f"hydra.run.dir={run}"]
    small = ["max_rounds=4", "max_kimg=null", "data.batch_size=32", "metrics.num_samples=100"]
    assert main([*common, *small, "samples.num=50"]) == 0
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert {"metric/modes", "metric/high_quality"} <= records[-1].keys()
    with Image.open(max((run / "samples").glob("kimg-*.png"))) as grid:
        assert grid.size[0] >= SIDE
        assert grid.size[1] > 2 * SIDE
    model = gan_lab.load(run, device="cpu")
    points = model.sample(5, seed=1)
    assert points.shape == (5, 2, 1, 1)
    from gan_lab.evaluate import main as evaluate
    from gan_lab.sample import main as sample

    assert sample([f"run={run}", "num=20", f"out={tmp_path}/points.png"]) == 0
    with Image.open(tmp_path / "points.png") as picture:
        assert min(picture.size) >= SIDE
    assert evaluate([f"run={run}", "metrics=modes"]) == 0


def test_what_points_cannot_be_is_said(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"^count=24: a grid has as many rows as columns"):
        Gaussians(shape="grid", count=24)
    with pytest.raises(ConfigError, match=r"^out=.*one picture"):
        write_folder([torch.zeros(3, 2, 1, 1)], tmp_path)
    parts = built("experiment=modes", "metrics=small")
    with pytest.raises(ConfigError, match=r"^metrics: small_frechet .* this data has points"):
        parts.metrics.prepare(parts.source, torch.device("cpu"))
    parts = built("experiment=modes", "data=swiss_roll", "metrics=modes")
    with pytest.raises(ConfigError, match=r"^metrics: modes needs data whose modes are known"):
        parts.metrics.prepare(parts.source, torch.device("cpu"))
