"""Phases on pseudo-terminals of several widths and without one: the screens that a person sees, by an emulator."""

from __future__ import annotations

import sys

import pytest

from tests.conftest import REPOSITORY
from tests.screens import record, rows_of_sentences
from tests.toy.phases import SAID

COMMAND = [sys.executable, "-m", "tests.toy.phases"]
GLYPHS = "━─#"


def recorded(columns, **options):
    environment = {"PYTHONPATH": str(REPOSITORY), **options.pop("environment", {})}
    recording = record(COMMAND, columns=columns, environment=environment, **options)
    assert recording.code == 0, recording.text
    return recording


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_sentences_stay_whole_and_nothing_of_the_block_is_left(columns):
    recording = recorded(columns)
    said = rows_of_sentences(SAID, columns)
    assert recording.last() == said
    blocks = []
    for _, rows in recording.screens():
        above = sum(1 for row, wanted in zip(rows, said, strict=False) if row == wanted)
        block = rows[above:]
        assert len(block) <= 2, rows
        assert all(len(row) < 60 for row in block), block
        assert not any(glyph in row for row in rows[:above] for glyph in GLYPHS)
        blocks.append(block)
    heads = {block[0].split(" ")[0] for block in blocks if block}
    assert heads == {"Waking", "Counting", "Something"}
    counted = [block[1] for block in blocks if block and block[0].startswith("Counting")]
    assert len(set(counted)) > 3, "it moves"
    assert any("numbers/s" in one and "left" in one for one in counted)


def test_a_terminal_that_is_resized():
    recording = recorded(120, resizes=[(0.8, 80), (1.1, 60), (1.4, 120)])
    rows = recording.last()
    assert not any(glyph in row for row in rows for glyph in GLYPHS)
    # The emulator cuts what is too wide; nothing else may be missing, and nothing be there twice.
    starts = [row for row in rows if row in {said[:60] for said in SAID} | set(SAID)]
    assert [row for row in starts if row != SAID[1][:60]] == [s for s in SAID if len(s) <= 60]


def test_a_narrow_terminal_loses_no_sentence():
    rows = recorded(30).last()
    assert rows == rows_of_sentences(SAID, 30)


@pytest.mark.parametrize(
    ("columns", "environment"), [(0, {}), (80, {"TERM": "dumb"}), (80, {"CI": "true"})]
)
def test_plain_lines_where_nothing_can_be_drawn(columns, environment):
    recording = recorded(columns, environment=environment)
    assert "\x1b" not in recording.text
    lines = recording.text.replace("\r\n", "\n").splitlines()
    assert lines[0] == "Waking up ..."
    ticks = [line for line in lines if line.startswith("Counting to forty: ")]
    assert len(ticks) == 1, lines
    assert ticks[0].endswith(" left")
    assert [line for line in lines if line in SAID] == SAID


def test_a_terminal_without_utf8():
    recording = recorded(80, environment={"PYTHONIOENCODING": "ascii"})
    assert recording.text.isascii()
    assert any("###" in row for _, rows in recording.screens() for row in rows)
    assert recording.last() == rows_of_sentences(SAID, 80)
