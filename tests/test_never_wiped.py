"""What a run made stays: no start wipes it, damage is never gone on with, and the one before takes over."""

from __future__ import annotations

import shutil

import pytest
import torch

from gan_lab.storage.checkpoint import load_checkpoint
from gan_lab.storage.run_folder import RunFolder
from gan_lab.train import main
from tests.test_resume import MODELS, SMALL, assert_same_state, last, records

COMMAND = [*MODELS["dcgan"], *SMALL, "checkpoint.every_kimg=0.05", "metrics.every_kimg=0.1"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of twelve rounds, and the same run stopped after eight."""
    place = tmp_path_factory.mktemp("trained")
    assert main([*COMMAND, "max_rounds=12", f"hydra.run.dir={place}/straight"]) == 0
    assert main([*COMMAND, "max_rounds=8", f"hydra.run.dir={place}/run"]) == 0
    return place


@pytest.fixture
def run(trained, tmp_path):
    shutil.copytree(trained / "run", tmp_path / "run")
    return RunFolder(tmp_path / "run")


def flip_a_bit(path):
    """In the middle of the file, where its tensors lie."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def everything(run):
    """All files of the run with their bytes; what a refused start says may be added to its log."""
    files = [path for path in run.path.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path: path.read_bytes() for path in files if path != run.log}


@pytest.mark.parametrize("wish", ["resume=auto", "resume=null"])
def test_without_its_last_checkpoint_a_run_is_not_begun_anew(run, wish, capsys):
    for path in run.checkpoints.glob("last*.ckpt"):
        path.unlink()
    before = everything(run)
    assert main([*COMMAND, "max_rounds=8", wish, f"hydra.run.dir={run.path}"]) == 2
    said = capsys.readouterr().err
    assert "a run lies there already" in said
    assert f"resume={run.best}" in said
    assert everything(run) == before
    assert main([f"resume={run.best}", "max_rounds=9"]) == 0
    assert last(run.path)["clock"]["iteration"] == 9


@pytest.mark.parametrize("wish", ["resume=auto", "resume=null"])
def test_records_alone_are_a_run_too(run, wish, capsys):
    shutil.rmtree(run.checkpoints)
    before = everything(run)
    assert main([*COMMAND, "max_rounds=8", wish, f"hydra.run.dir={run.path}"]) == 2
    assert "metrics.jsonl holds its records" in capsys.readouterr().err
    assert everything(run) == before


@pytest.mark.parametrize("wish", ["auto", "folder"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_the_one_before_takes_over_and_loses_nothing(trained, run, wish, damage, capsys):
    if damage == "flipped":
        flip_a_bit(run.last)
    elif damage == "cut":
        run.last.write_bytes(run.last.read_bytes()[:5000])
    else:
        run.last.unlink()
    command = [*COMMAND, "resume=auto", f"hydra.run.dir={run.path}"]
    if wish == "folder":
        command = [f"resume={run.path}"]
    assert main([*command, "max_rounds=12"]) == 0
    said = capsys.readouterr().err
    assert str(run.last) in said
    assert "goes on from last-1.ckpt" in said
    assert_same_state(last(run.path), last(trained / "straight"))
    losses = [r["iteration"] for r in records(run.path) if "loss/generator" in r]
    assert losses == list(range(1, 13))


def test_a_file_that_was_named_is_taken_or_refused(run, capsys):
    flip_a_bit(run.last)
    before = everything(run)
    assert main([f"resume={run.last}", "max_rounds=9"]) == 1
    said = capsys.readouterr().err
    assert "damaged" in said
    assert "Traceback" not in said
    assert everything(run) == before


def test_samples_and_scores_of_a_damaged_checkpoint_are_refused(run, capsys):
    from gan_lab.evaluate import main as evaluate
    from gan_lab.sample import main as sample

    flip_a_bit(run.last)
    assert sample([f"run={run.path}", "num=4"]) == 1
    assert "damaged" in capsys.readouterr().err
    assert evaluate([f"run={run.path}", "metrics.num_samples=16", "metrics.num_reals=16"]) == 1
    assert "last-1.ckpt" in capsys.readouterr().err, "what could be used instead is named"
    beside = run.checkpoints / "last-1.ckpt"
    assert sample([f"run={run.path}", "num=4", f"checkpoint={beside}"]) == 0


def test_the_lock_comes_before_anything_is_read(run, capsys):
    run.last.write_bytes(run.last.read_bytes()[:5000])
    command = [*COMMAND, "max_rounds=12", "resume=auto", f"hydra.run.dir={run.path}"]
    with run.held():
        assert main(command) == 2
        assert main([f"resume={run.path}"]) == 2
    said = capsys.readouterr().err
    assert said.count("another process is training in this folder") == 2
    assert "damaged" not in said


def test_a_checkpoint_without_a_checksum_resumes(trained, run, capsys):
    state = load_checkpoint(run.last)
    torch.save({**state, "format": 1}, run.last)
    assert main([f"resume={run.path}", "max_rounds=12"]) == 0
    assert "carries no checksum" in capsys.readouterr().err
    assert_same_state(last(run.path), last(trained / "straight"))


def test_a_refused_start_leaves_no_folder_of_its_own(tmp_path):
    assert main([*COMMAND, "generator.width=0", f"hydra.run.dir={tmp_path}/new"]) == 2
    assert not list(tmp_path.rglob("*.*"))
