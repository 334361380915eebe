"""Schedules against hand-computed values, and their error sentences."""

from __future__ import annotations

import pytest

from gan_lab.common.errors import ConfigError
from gan_lab.engine.schedule import schedule


@pytest.mark.parametrize(
    ("value", "points"),
    [
        (0.5, {0: 0.5, 10**9: 0.5}),
        ({"schedule": "linear", "start": 4, "end": 0, "kimg": 10}, {0: 4, 2500: 3, 20_000: 0}),
        (
            {"schedule": "linear", "start": 4, "end": 0, "kimg": 10, "begin_kimg": 5},
            {5000: 4, 10_000: 2},
        ),
        ({"schedule": "cosine", "start": 1, "end": 0, "kimg": 10}, {0: 1, 5000: 0.5, 10_000: 0}),
        (
            {"schedule": "constant", "start": 2, "warmup_kimg": 4},
            {0: 0, 1000: 0.5, 4000: 2, 9000: 2},
        ),
        ({"schedule": "piecewise", "values": [100, 5], "kimg": [2]}, {0: 100, 1999: 100, 2000: 5}),
    ],
)
def test_values(value, points):
    curve = schedule(value, "x")
    for images, expected in points.items():
        assert curve.at(images) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("abc", "must be a number or a schedule"),
        ({"schedule": "linaer", "start": 1}, "did you mean linear"),
        ({"schedule": "linear", "start": 1, "end": 0}, "needs kimg too"),
        ({"schedule": "linear", "strat": 1, "end": 0, "kimg": 5}, "did you mean start"),
        ({"schedule": "piecewise", "values": [1], "kimg": [2]}, "1 values need 0 changes"),
        ({"schedule": "cosine", "start": 1, "end": 0, "kimg": 0}, "(0, inf)"),
    ],
)
def test_errors_are_sentences(value, words):
    with pytest.raises(ConfigError, match="x") as error:
        schedule(value, "x")
    assert words in str(error.value)
