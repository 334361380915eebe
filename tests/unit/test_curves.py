"""Pictures of curves hold what the records hold, and never fail for want of it."""

import math

import numpy as np
import pytest
from PIL import Image, ImageColor

from gan_lab.reports.axes import COLORS, palette
from gan_lab.reports.curves import draw_curves
from gan_lab.reports.panels import PANELS
from gan_lab.reports.series import curves_of, moving_average
from gan_lab.storage.run_folder import RunFolder
from tests.run_records import PROTOCOL, counters, write_run


def drawn_colors(path):
    """How many pixels have each colour of the palette."""
    pixels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)
    wanted = {color: np.array(ImageColor.getrgb(color)) for color in COLORS}
    return {color: int((pixels == rgb).all(1).sum()) for color, rgb in wanted.items()}


def test_one_run_draws_both_players(tmp_path):
    run = write_run(tmp_path / "run", metrics=[200.0, 90.0, 40.0])
    draw_curves([run], run.curves)
    colors = drawn_colors(run.curves)
    assert colors[COLORS[0]] > 1000
    assert colors[COLORS[1]] > 1000
    assert colors[COLORS[2]] == 0


def test_runs_overlay_in_colours_of_their_own(tmp_path):
    runs = [
        write_run(tmp_path / str(i), overrides=[f"seed={i}"], config={"seed": i}) for i in range(3)
    ]
    draw_curves(runs, tmp_path / "new" / "all.png")
    colors = drawn_colors(tmp_path / "new" / "all.png")
    # The third lies on top: all three have the same noise; the legend shows the others.
    assert colors[COLORS[2]] > 1000
    assert min(colors[COLORS[0]], colors[COLORS[1]]) > 50
    assert colors[COLORS[3]] == 0


def test_more_runs_than_colours_stay_apart():
    for count in (1, 7, 8, 30):
        assert len({str(color) for color in palette(count)}) == count


@pytest.mark.parametrize("records", ["none", "no file", "nulls", "one", "negative"])
def test_odd_records_are_drawn_too(tmp_path, records):
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    if records != "no file":
        run.metrics.touch()
    if records == "nulls":
        for kimg in (0, 1):
            run.append(
                {**counters(kimg), "loss/generator": None, "metric/fid": None, "protocol": {}}
            )
    if records == "one":
        run.append({**counters(1), "loss/generator": 0.7, "lr/generator": 0.0})
    if records == "negative":
        for kimg in (0, 1, 2):
            run.append({**counters(kimg), "metric/kid": -0.1 * kimg, "protocol": PROTOCOL})
    draw_curves([run], run.curves)
    image = np.asarray(Image.open(run.curves).convert("L"))
    assert image.shape[1] > 1000
    assert image.std() > 1


def test_a_value_that_was_not_finite_leaves_a_gap(tmp_path):
    run = RunFolder(tmp_path)
    for kimg, value in enumerate([1.0, None, 3.0]):
        run.append({**counters(kimg), "loss/generator": value})
    curve = curves_of(run)["loss/generator"]
    assert curve.kimg == [0, 1, 2]
    assert math.isnan(curve.values[1])
    assert curve.values[::2] == [1.0, 3.0]


def test_terms_have_no_place_among_the_losses():
    losses = PANELS["losses"]
    assert losses.shows("loss/generator")
    assert losses.shows("loss/inverse_player")
    assert not losses.shows("loss/generator/adversarial")
    speed = PANELS["speed"]
    assert speed.shows("speed/images_per_s")
    assert not speed.shows("speed/sec_per_kimg")


def test_moving_average():
    assert moving_average([1.0] * 10) is None
    assert moving_average([2.0] * 100) == pytest.approx([2.0] * 100)
    line = [float(i) for i in range(200)]
    # On a line a centred average is the line itself, away from the ends.
    assert moving_average(line)[10:-10] == pytest.approx(line[10:-10])
    with_gap = [1.0] * 50 + [math.nan] + [1.0] * 49
    assert moving_average(with_gap) == pytest.approx([1.0] * 100)


def test_dollar_signs_are_no_formulas(tmp_path):
    """Two of them in an override ended a finished run with matplotlib's parser error."""
    runs = [
        write_run(tmp_path / f"$x^^{i}$", overrides=[f"data.root=$HOME/$^{{{i}$"], points=2)
        for i in range(2)
    ]
    draw_curves(runs[:1], tmp_path / "one.png")
    draw_curves(runs, tmp_path / "two.png")
