"""Checkpoints are whole or refused: damage of every kind, full disks, and the one before the newest."""

from __future__ import annotations

import errno
import os
import random

import pytest
import torch

from gan_lab.common.errors import CheckpointError
from gan_lab.storage import files
from gan_lab.storage.checkpoint import load_checkpoint, save_checkpoint
from gan_lab.storage.run_folder import RunFolder
from gan_lab.storage.seals import SEAL_BYTES
from gan_lab.storage.series import Series, earlier, newest_whole


def state(value=0.0, size=3000):
    generator = torch.Generator().manual_seed(5)
    return {"clock": {"iteration": int(value)}, "w": torch.randn(size, generator=generator) + value}


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "last.ckpt"
    save_checkpoint(state(), path)
    return path


def test_a_checkpoint_comes_back(saved):
    back = load_checkpoint(saved)
    assert torch.equal(back["w"], state()["w"])
    assert back["clock"] == {"iteration": 0}
    # The checksum stands behind a file that torch itself reads.
    assert torch.equal(torch.load(saved, weights_only=True)["w"], back["w"])


def damages(whole):
    draw = random.Random(7)
    for _ in range(40):
        yield whole[: draw.randrange(len(whole))]
    for bit in (0, 8 * len(whole) - 1, *(draw.randrange(8 * len(whole)) for _ in range(80))):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)
    for page in range(0, len(whole), 4096):
        if any(whole[page : page + 4096]):
            yield whole[:page] + bytes(min(4096, len(whole) - page)) + whole[page + 4096 :]
    yield whole + b"\0"
    yield whole[:-SEAL_BYTES]
    yield b""


def test_no_damage_is_loaded(saved):
    whole = saved.read_bytes()
    for damaged in damages(whole):
        saved.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="damaged"):
            load_checkpoint(saved)


def test_a_file_from_before_checksums_is_loaded_and_said(tmp_path, caplog):
    path = tmp_path / "old.ckpt"
    torch.save({"format": 1, **state()}, path)
    assert torch.equal(load_checkpoint(path)["w"], state()["w"])
    assert "carries no checksum" in caplog.text


def test_what_a_disk_changes_is_found_before_the_old_file_goes(saved, monkeypatch):
    def lying_disk(descriptor):
        os.pwrite(descriptor, b"\x55\xaa", 2000)

    monkeypatch.setattr(os, "fsync", lying_disk)
    with pytest.raises(CheckpointError, match="could not be written"):
        save_checkpoint(state(1), saved)
    assert torch.equal(load_checkpoint(saved)["w"], state()["w"])
    assert [file.name for file in saved.parent.iterdir()] == ["last.ckpt"]


def test_what_cannot_be_read_back_is_not_written(saved):
    with pytest.raises(CheckpointError, match="could not be written"):
        save_checkpoint({**state(1), "path": saved}, saved)
    assert load_checkpoint(saved)["clock"] == {"iteration": 0}


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path)
    folder.checkpoints.mkdir()
    return folder


def iterations(run):
    return [load_checkpoint(p)["clock"]["iteration"] for p in (run.last, *earlier(run))]


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_the_ones_before_the_newest_are_kept(run, keep):
    series = Series(run, keep=keep)
    for value in range(6):
        series.save(state(value))
        assert iterations(run) == list(range(value, max(value - keep, 0) - 1, -1))
    Series(run, keep=min(keep, 1)).save(state(6))
    assert len(iterations(run)) == 1 + min(keep, 1), "a smaller number holds for what is there"
    assert not list(run.checkpoints.glob("*.tmp-*"))


def test_without_second_names_for_a_file_the_one_before_is_kept_too(run, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    series = Series(run, keep=1)
    for value in range(3):
        series.save(state(value))
    assert iterations(run) == [2, 1]


@pytest.mark.parametrize("moment", ["write", "sync", "link", "rename"])
def test_a_full_disk_at_any_moment_costs_no_checkpoint(run, monkeypatch, moment):
    series = Series(run, keep=1)
    for value in range(2):
        series.save(state(value))

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if moment == "write":
        monkeypatch.setattr(torch, "save", full)
    elif moment == "sync":
        monkeypatch.setattr(os, "fsync", full)
    elif moment == "link":
        monkeypatch.setattr(os, "link", full)
        monkeypatch.setattr(files.Path, "replace", full)
    else:
        monkeypatch.setattr(files.Path, "replace", full)
    with pytest.raises(CheckpointError):
        series.save(state(2))
    monkeypatch.undo()
    assert iterations(run)[0] == 1
    assert iterations(run)[-1] in (0, 1)
    assert not list(run.checkpoints.glob("*.tmp-*"))
    series.save(state(3))
    assert iterations(run) == [3, 1]


def test_the_newest_whole_one_is_chosen_and_the_damaged_one_named(run):
    series = Series(run, keep=2)
    for value in range(3):
        series.save(state(value))
    damaged = bytearray(run.last.read_bytes())
    damaged[1500] ^= 1
    run.last.write_bytes(damaged)
    path, found, passed = newest_whole([run.last, *earlier(run)])
    assert (path.name, found["clock"]["iteration"]) == ("last-1.ckpt", 1)
    assert len(passed) == 1
    assert str(run.last) in passed[0]
    # A kill right after this choice finds the same state, whatever is asked for then.
    series.go_on_from(path)
    assert iterations(run) == [1, 1, 0]
    series.save(state(9))
    assert iterations(run) == [9, 1, 1]


def test_an_older_one_leaves_none_that_is_newer(run):
    series = Series(run, keep=3)
    for value in range(4):
        series.save(state(value))
    series.go_on_from(run.checkpoints / "last-2.ckpt")
    assert iterations(run) == [1, 1, 0]
    best = run.best
    save_checkpoint(state(7), best)
    series.go_on_from(best)
    assert iterations(run) == [7]
