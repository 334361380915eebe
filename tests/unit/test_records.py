"""metrics.jsonl and status.json: damaged ones are read as far as they are whole, and that is said."""

from __future__ import annotations

import errno
import json
import os

import pytest

from gan_lab.common.errors import GanLabError
from gan_lab.compare import main as compare
from gan_lab.storage.run_folder import RunFolder


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.config.write_text("seed: 0\n")
    return folder


def record(iteration):
    return {"iteration": iteration, "images_seen": 8 * iteration, "loss/generator": 1.5}


def test_records_come_back_in_order(run):
    for iteration in range(1, 4):
        run.append(record(iteration))
    assert RunFolder(run.path).records() == [record(1), record(2), record(3)]
    assert RunFolder(run.path).count_records() == run.count_records() == 3


DAMAGED = [
    b'{"iteration": 2, "loss',
    b'{"iteration": 2, "name": "\xff\xfe"}',
    b"\0" * 40,
    b"[1, 2]",
    b'{"iteration": "two"}',
    b'{"iteration": 2.5, "images_seen": null}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("line", DAMAGED)
def test_a_damaged_line_is_left_out_and_counted(run, line, caplog):
    lines = [json.dumps(record(1)).encode(), line, json.dumps(record(3)).encode(), b""]
    run.metrics.write_bytes(b"\n".join(lines))
    assert run.records() == [record(1), record(3)]
    assert "1 damaged lines are left out" in caplog.text


def test_the_line_that_a_kill_cut_is_no_damage(run, caplog):
    whole = json.dumps(record(1)).encode() + b"\n"
    run.metrics.write_bytes(whole + json.dumps(record(2)).encode()[:20])
    assert run.records() == [record(1)]
    assert not caplog.text


def test_a_run_goes_on_behind_the_records_that_its_checkpoint_saw(run):
    for iteration in (0, 1, 2, 2, 3):
        run.append(record(iteration))
    again = RunFolder(run.path)
    assert again.drop_records_after(2, 3) == 2, "the second record of iteration 2 came after it"
    assert [one["iteration"] for one in again.records()] == [0, 1, 2]
    again.append(record(3))
    assert again.count_records() == 4
    assert again.drop_records_after(1) == 2, (
        "a checkpoint that does not know them goes by iteration"
    )


def test_what_has_no_room_waits_and_is_counted(run, monkeypatch):
    run.append(record(1))
    write = os.write

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: write(file, data[:10]))
        with pytest.raises(OSError, match="No space"):
            run.append(record(2))
    assert run.count_records() == 2
    assert run.records() == [record(1), record(2)]
    run.append(record(3))
    assert RunFolder(run.path).records() == [record(1), record(2), record(3)]


@pytest.mark.parametrize("later", [0, 2], ids=["killed at once", "killed when they were written"])
@pytest.mark.parametrize("begun", [0, 10], ids=["nothing of them written", "a part written"])
def test_what_waits_when_a_checkpoint_is_written_survives_a_kill(run, monkeypatch, begun, later):
    run.append(record(1))
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: write(file, data[:begun]))
        for iteration in (2, 3):
            with pytest.raises(OSError, match="No space"):
                run.append(record(iteration))
    count, waiting = run.count_records(), run.waiting_records()  # what the checkpoint keeps
    for iteration in range(4, 4 + later):
        run.append(record(iteration))
    assert bool(run.waiting_records()) is not bool(later)

    again = RunFolder(run.path)  # after the kill
    again.drop_records_after(3, count, waiting)
    assert again.records() == [record(1), record(2), record(3)]
    again.append(record(4))
    assert RunFolder(run.path).records() == [record(n) for n in (1, 2, 3, 4)]


def test_records_that_cannot_be_read_end_in_a_sentence(run, monkeypatch):
    run.append(record(1))

    def refuse(_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(type(run.metrics), "read_bytes", refuse)
    with pytest.raises(GanLabError, match=r"metrics.jsonl: cannot be read \(Permission denied\)"):
        RunFolder(run.path).records()


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"3", b'{"state": ["x"], "reason": 5}'])
def test_a_damaged_status_is_compared_all_the_same(run, content, capsys):
    run.append({**record(1), "metric/small_frechet": 2.0, "protocol": {"samples": 4}})
    run.status.write_bytes(content)
    assert compare([str(run.path)]) == 0
    assert "Traceback" not in capsys.readouterr().err
