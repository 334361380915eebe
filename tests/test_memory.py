"""Training holds no memory that grows: not with the rounds played, nor with the images of a mapped set.

What counts is RssAnon, a process's own memory without the files it maps, of training inside Lightning in a process of
its own. It was steady to 0.1 MB from round 500 on, and equal to 0.2 MB between processes, so 2 MB is no noise; over
2,000 rounds it is 1 kB a round. A batch is 8 kB here, and what the meter keeps of a round about 4 kB.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "scripts" / "bench"))
from scaling import COLOUR, SHAPE, TINY, apart

STATUS = Path("/proc/self/status")
pytestmark = pytest.mark.skipif(
    not STATUS.is_file() or "RssAnon" not in STATUS.read_text(),
    reason="this system does not tell a process's anonymous memory (RssAnon in /proc/self/status)",
)
NOISE = 2.0  # MB


def growth(since: int, until: int) -> float:
    """MB between two rounds of a run of tiny networks."""
    settings = {"batch": 8, "every": since, "rounds": until}
    _, notes = apart([*TINY, "data.resolution=16"], **settings)
    held = {iteration: memory for iteration, _, memory in notes}
    return held[until] - held[since]


def test_two_thousand_rounds_hold_no_more_than_five_hundred():
    assert growth(500, 2500) < NOISE


@pytest.mark.slow
def test_ten_thousand_rounds_hold_no_more_than_a_thousand():
    assert growth(1000, 10_000) < NOISE


@pytest.mark.slow
def test_a_mapped_set_of_ten_times_the_images_takes_no_more_memory(tmp_path):
    def held(count):
        path = tmp_path / f"{count}.npy"
        np.lib.format.open_memmap(path, "w+", np.uint8, (count, *SHAPE)).flush()  # sparse
        options = [*COLOUR, *TINY, f"data.resolution={SHAPE[-1]}"]
        _, notes = apart(options, batch=8, every=10, rounds=80, path=str(path), count=count)
        return notes[-1][2]

    # 36,000 further images are 442 MB; their order and mirror flags, for two epochs, 0.4 MB.
    assert held(40_000) - held(4_000) < NOISE
