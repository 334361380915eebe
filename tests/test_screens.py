"""Training on terminals of 60, 80 and 120 columns: the screens that a person sees, by an emulator; one real process."""

from __future__ import annotations

import re
import sys
from itertools import pairwise

import pytest

from tests.conftest import REPOSITORY
from tests.screens import Recording, record, rows_of_sentences

MARK = "@@"
TINY = [
    "debug=tiny", "logger=none", "max_rounds=null", "log_every_rounds=1", "samples.num=4",
]  # fmt: skip
SLEEPY = ["discriminator._target_=tests.toy.slow.Sleepy", "allow_targets=[tests.toy.]"]
# Rounds that sleep make training last for seconds on any machine; with a limit of time a busy one plays no round.
# Samples are enough that an evaluation takes several times the quarter second below which nothing is shown.
MEASURED = [
    *TINY, *SLEEPY, "+discriminator.seconds=0.02", "metrics.num_samples=16000", "max_rounds=60",
]  # fmt: skip
RUNS = {
    "60": (60, MEASURED),
    "80": (80, MEASURED),
    "120": (120, MEASURED),
    "slow": (80, [*TINY, *SLEEPY, "max_rounds=2", "metrics=none"]),
}
SESSION = """
import fcntl, struct, sys, termios
from gan_lab.train import main

for name, (columns, options) in {runs!r}.items():
    fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    assert main([*options, f"hydra.run.dir={folder}/{{name}}"]) == 0
    sys.stdout.write("{mark}")
    sys.stdout.flush()
"""
# What a block may consist of.
BLOCK = re.compile(
    r"(Training|Evaluation|Drawing \S+|Loading \S+|Reading \S+|Making \S+|Opening \S+|Timing \S+|Statistics \S+).*"
    r"|[\d,.]+ kimg(, \S+ images/s, \S+ s/kimg(, [\d:]+ left)?)?|[\d:]+ left"
    r"|(D -?[\d.]+  G -?[\d.]+|losses after round \d+)(   \S+ \S+ at \d+ kimg)?|\S+ \S+ at \d+ kimg"
    r"|round [\d,]+( of \d+)?(: \S+, for [\d,.]+ s)?|[\d,]+ (of [\d,]+ )?(images|libraries).*"
)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """The folder of all runs, and what each wrote to the terminal."""
    folder = tmp_path_factory.mktemp("screens")
    session = SESSION.format(runs=RUNS, folder=folder, mark=MARK)
    whole = record(
        [sys.executable, "-c", session], columns=80, environment={"PYTHONPATH": str(REPOSITORY)}
    )
    assert whole.code == 0, whole.text
    found, names = {}, iter(RUNS)
    one = Recording(RUNS[name := next(names)][0])
    for seconds, data in whole.chunks:
        while (end := data.find(MARK.encode())) >= 0:
            one.chunks.append((seconds, data[:end]))
            found[name] = one
            data = data[end + len(MARK) :]
            name = next(names, "")
            one = Recording(RUNS[name][0] if name else 80)
        one.chunks.append((seconds, data))
    assert list(found) == list(RUNS)
    return folder, found


def blocks_of(recording, said):
    """Seconds and rows of the block of each screen; the rows above must be the sentences, whole and in order."""
    for seconds, rows in recording.screens():
        above = 0
        while above < min(len(rows), len(said)) and rows[above] == said[above]:
            above += 1
        yield seconds, rows[above:]


@pytest.mark.parametrize("name", RUNS)
def test_no_line_is_broken_and_no_fragment_is_left(recordings, name):
    folder, found = recordings
    log = (folder / name / "train.log").read_text().splitlines()
    said = rows_of_sentences(log, RUNS[name][0])
    assert found[name].last() == said
    for _, block in blocks_of(found[name], said):
        assert len(block) <= 6, block
        assert all(len(row) < 60 and BLOCK.fullmatch(row) for row in block), block
        assert len({row.split(" ")[0] for row in block}) == len(block), "one block at a time"


@pytest.mark.parametrize("name", RUNS)
def test_the_block_moves_each_second(recordings, name):
    folder, found = recordings
    log = (folder / name / "train.log").read_text().splitlines()
    moved, before = [], None
    for seconds, block in blocks_of(found[name], rows_of_sentences(log, RUNS[name][0])):
        if block and block[0].startswith("Training") and block != before:
            moved.append(seconds)
            before = block
    assert len(moved) >= 5
    assert max(later - sooner for sooner, later in pairwise(moved)) <= 1.0


def test_a_slow_round_shows_its_parts(recordings):
    text = found_rows(recordings[1]["slow"])
    for part in ("round 1 of 2: discriminator, for 1.", "round 2 of 2: generator, for 1."):
        assert part in text
    assert "losses after round 1" in text


def test_all_that_a_person_asks_is_there(recordings):
    text = found_rows(recordings[1]["80"])
    for what in (
        r"\d kimg",
        r"images/s",
        r"s/kimg",
        r"\d:\d\d left",
        r"D \d",
        r"G \d",
        r"small_frechet \d+",
    ):
        assert re.search(what, text), what
    for phase in ("Evaluation ━", "Training "):
        assert phase in text


def test_the_first_seconds_are_not_silent(recordings):
    """Torch takes seconds to import; something is on the screen before, and moves meanwhile."""
    screens = [rows for _, rows in recordings[1]["60"].screens() if rows]
    assert screens[0][-1].startswith("Reading the configuration")
    loading = {row for rows in screens for row in rows if row.startswith("Loading libraries ━")}
    assert len(loading) >= 2, "the bar moves with each library"


def found_rows(recording):
    """All rows that were ever on the screen."""
    return "\n".join(row for _, rows in recording.screens() for row in rows)
