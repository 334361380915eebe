"""The traps of the stack that corrupt a result without a word, each with a test that would have caught it.

| trap | test |
| --- | --- |
| W&B stores images of floats as black | test_wandb.py: test_sample_grids_are_the_pictures_of_the_run_folder |
| Lightning's step counters count optimizers, and miss odd intervals | here: step counters |
| a resumed run sees data again | test_resume.py: test_n_and_resume_and_n_are_2n |
| SIGTERM ends with exit code 0, a sweep too | here: signals |
| a checkpoint half written destroys the one before | here: checkpoints; test_resume.py: kills |
| FID with another resize, or of pixels that wrapped | test_fid_parity.py; here: pixels |
| Inception's weights in every checkpoint | here: test_inception_is_in_no_checkpoint |
| 16-bit PNG files are clipped to white | unit/test_data_decode.py |
| two jobs of a multirun in one W&B run | test_wandb.py: test_jobs_of_a_multirun_are_runs_of_their_own |
| each rank starts the whole sweep again | test_ranks.py: test_each_job_of_a_sweep_has_its_ranks |
| `+typo` is accepted | test_bad_inputs.py: "accepted +typo ..."; contracts/test_swaps.py: leftovers |
| one NumPy number makes a checkpoint unreadable | here: test_checkpoints_hold_tensors_and_plain_values |
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from gan_lab.assembly.build import build
from gan_lab.callbacks import checkpoints
from gan_lab.common.errors import CheckpointError
from gan_lab.engine.clock import Clock
from gan_lab.media.grids import save_grid
from gan_lab.media.images import to_uint8
from gan_lab.storage import checkpoint
from gan_lab.storage.checkpoint import load_checkpoint, save_checkpoint
from gan_lab.storage.run_folder import RunFolder
from gan_lab.train import compose, main
from tests.conftest import REPOSITORY

TINY = ["debug=tiny", "logger=none", "metrics=none", "samples.num=4", "log_every_rounds=1"]


def names_below(repository_path):
    """Names of test functions in a file of tests/."""
    import ast

    tree = ast.parse((REPOSITORY / "tests" / repository_path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_the_table_names_tests_that_exist():
    for line in __doc__.splitlines():
        if ".py: test_" in line:
            file, test = line.split("|")[2].strip().split(";")[0].split(": ")
            assert test in names_below(file), line
        if "here: test_" in line:
            assert line.split("here: ")[1].split(" ")[0] in globals(), line


# Step counters ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_critic", "moves"), [(1, 7), (5, 1)])
def test_counters_count_rounds_and_odd_intervals_are_hit(n_critic, moves, tmp_path, monkeypatch):
    """max_rounds means rounds, whatever number of optimizers moved in each; every 20 images means that too."""
    saved = []
    save = checkpoints.Series.save

    def spy(series, state):
        saved.append(state["clock"]["iteration"])
        save(series, state)

    monkeypatch.setattr(checkpoints.Series, "save", spy)
    run = RunFolder(tmp_path / "run")
    assert main([*TINY, f"model.n_critic={n_critic}", "max_rounds=7", "checkpoint.every_kimg=0.02",
                 "samples.every_kimg=0.024", f"hydra.run.dir={run.path}"]) == 0  # fmt: skip
    assert list(run.records()) != []
    for index, record in enumerate(run.records(), start=1):
        assert record["iteration"] == index
        assert record["images_seen"] == 8 * index
        assert record["generator_updates"] == index // n_critic
        assert ("loss/generator" in record) == (index % n_critic == 0)
    clock = load_checkpoint(run.last)["clock"]
    assert (clock["iteration"], clock["images_seen"], clock["generator_updates"]) == (7, 56, moves)
    # Multiples of 20 images are crossed in rounds 3 (24) and 5 (40); and the start and the end are saved.
    assert saved == [0, 3, 5, 7]
    assert sorted(path.stem for path in run.samples.iterdir()) == [
        "kimg-000000.000", "kimg-000000.024", "kimg-000000.048", "kimg-000000.056", "reals",
    ]  # fmt: skip


def test_the_last_round_of_a_limit_in_images_is_the_first_that_reaches_it(tmp_path):
    run = RunFolder(tmp_path / "run")
    assert main([*TINY, "max_rounds=null", "max_kimg=0.03", f"hydra.run.dir={run.path}"]) == 0
    assert load_checkpoint(run.last)["clock"]["images_seen"] == 32


@pytest.mark.parametrize("batch", [1, 7, 8, 13])
@pytest.mark.parametrize("every", [5, 7, 13, 100])
def test_every_multiple_that_is_crossed_is_due_once(batch, every):
    """For intervals that the batch steps over: due in the round that crosses a multiple, and in no other."""
    clock, due = Clock(), []
    for _ in range(300):
        clock.advance(batch, (), generators_moved=True)
        if clock.crossed(every / 1000):
            due.append(clock.images_seen)
    crossed = {images // every for images in range(batch, 300 * batch + 1, batch)} - {0}
    assert len(due) == len(crossed)
    assert [images // every for images in due] == sorted(crossed)


# Pixels -----------------------------------------------------------------------------------------


def test_values_out_of_range_are_clamped_and_never_wrap():
    values = torch.tensor([-3.0, -1.004, -1.0, 0.0, 0.9999, 1.0, 1.004, 3.0])
    assert to_uint8(values).tolist() == [0, 0, 0, 128, 255, 255, 255, 255]
    assert to_uint8(values.bfloat16()).tolist()[:3] == [0, 0, 0]
    assert to_uint8(values.double()).dtype == torch.uint8


def test_all_levels_come_back():
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(levels.float() / 127.5 - 1), levels)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_read_back_shows_what_was_drawn(channels, tmp_path):
    images = torch.full((4, channels, 8, 8), -1.0)
    images[1] = 1.01  # beyond white stays white
    images[2] = -1.01
    images[3] = 0.0
    save_grid(images, tmp_path / "grid.png", columns=2)
    grid = np.asarray(Image.open(tmp_path / "grid.png").convert("RGB"))
    assert grid.shape == (22, 22, 3)
    corners = [grid[2:10, 2:10], grid[2:10, 12:20], grid[12:20, 2:10], grid[12:20, 12:20]]
    assert [int(c.min()) for c in corners] == [int(c.max()) for c in corners] == [0, 255, 0, 128]


# Checkpoints ------------------------------------------------------------------------------------

FULL = {
    "OSError": OSError(errno.ENOSPC, "No space left on device"),
    "torch's own": RuntimeError(
        "[enforce fail at inline_container.cc:671] . unexpected pos 576 vs 534"
    ),
}


def half_then(error, *, calls):
    """A torch.save that writes half a file and fails in these calls (counted from 1)."""
    save, count = torch.save, [0]

    def failing(state, file, **options):
        count[0] += 1
        if count[0] not in calls:
            return save(state, file, **options)
        file.write(b"PK half a checkpoint")
        raise error

    return failing


@pytest.mark.parametrize("kind", FULL)
def test_a_write_that_fails_half_way_leaves_the_old_one_whole(kind, tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    save_checkpoint({"n": 1}, path)
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.torch, "save", half_then(FULL[kind], calls={1}))
        with pytest.raises(CheckpointError, match="the one before it is untouched"):
            save_checkpoint({"n": 2}, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"], "no half file stays"
    save_checkpoint({"n": 3}, path)
    assert load_checkpoint(path)["n"] == 3


@pytest.mark.parametrize("stage", ["fsync", "load", "replace"])
def test_a_write_that_fails_later_leaves_the_old_one_whole(stage, tmp_path, monkeypatch):
    """When the disk takes the bytes but not the sync, when reading back shows a damage, when renaming fails."""
    path = tmp_path / "last.ckpt"
    save_checkpoint({"n": 1}, path)
    before = path.read_bytes()

    def failing(*arguments, **options):
        raise OSError(errno.EIO, "Input/output error")

    where = {"fsync": os, "load": checkpoint.torch, "replace": type(path)}[stage]
    with monkeypatch.context() as patch:
        patch.setattr(where, stage, failing)
        with pytest.raises(CheckpointError, match="Input/output error"):
            save_checkpoint({"n": 2}, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


def test_it_is_written_beside_its_target(tmp_path, monkeypatch):
    """A rename between file systems is a copy, and a copy can be cut."""
    seen = []
    target = tmp_path / "runs" / "last.ckpt"
    replace = type(target).replace

    def spy(path, onto):
        seen.append(path)
        assert onto == target
        return replace(path, onto)

    monkeypatch.setattr(type(target), "replace", spy)
    save_checkpoint({"n": 1}, target)
    (aside,) = seen
    assert aside.parent == target.parent
    assert aside != target
    assert target.is_file()


@pytest.mark.parametrize("kind", FULL)
def test_a_full_disk_in_between_is_told_and_the_run_goes_on(kind, tmp_path, monkeypatch, capsys):
    run = RunFolder(tmp_path / "run")
    monkeypatch.setattr(checkpoint.torch, "save", half_then(FULL[kind], calls={2}))
    code = main([*TINY, "max_rounds=3", "checkpoint.every_kimg=0.008", f"hydra.run.dir={run.path}"])
    said = capsys.readouterr().err
    assert code == 0
    assert said.count("Warning: ") == 1
    assert "last.ckpt: the checkpoint could not be written" in said
    assert load_checkpoint(run.last)["clock"]["iteration"] == 3, "a later save worked"
    assert sorted(file.name for file in run.checkpoints.iterdir()) == ["last-1.ckpt", "last.ckpt"]
    assert json.loads(run.status.read_text())["state"] == "finished"


def test_checkpoints_hold_tensors_and_plain_values(tmp_path):
    """Read by torch without running code, also the one that holds a metric."""
    run = RunFolder(tmp_path / "run")
    assert main([*TINY, "metrics=small", "max_rounds=2", f"hydra.run.dir={run.path}"]) == 0

    def check(value, path):
        if isinstance(value, dict):
            for key, entry in value.items():
                assert isinstance(key, str | int), path
                check(entry, f"{path}/{key}")
        elif isinstance(value, list | tuple):
            for index, entry in enumerate(value):
                check(entry, f"{path}/{index}")
        else:
            assert value is None or type(value) in (bool, int, float, str, torch.Tensor), path

    for file in (run.last, run.best):
        check(torch.load(file, weights_only=True), file.name)


def test_inception_is_in_no_checkpoint(shared_data, tmp_path):
    """Metrics are no part of the module: a checkpoint with FID is as large as one without."""
    weights = sorted((shared_data / "inception").glob("*.pth"))
    if not weights:
        pytest.skip(f"no partial Inception weights in {shared_data / 'inception'}")
    sizes, states = [], []
    for metric in (["metrics=none"], ["metrics=fid", "metrics.fid.feature=64", f"metrics.weights={weights[0]}",
                                      "metrics.num_samples=8", "metrics.num_reals=8"]):  # fmt: skip
        run = RunFolder(tmp_path / metric[0])
        assert main([*TINY, *metric, "max_rounds=1", f"hydra.run.dir={run.path}"]) == 0
        sizes.append(run.last.stat().st_size)
        states.append(load_checkpoint(run.last))
    plain, scored = states
    assert set(scored) - set(plain) == {"evaluation"}
    assert scored["evaluation"]["last_value"] is not None
    assert scored["networks"].keys() == plain["networks"].keys()
    assert {name.split(".")[0] for name in scored["networks"]} == {"generator", "discriminator"}
    assert sizes[1] - sizes[0] < 10_000, "bytes"


# Signals ----------------------------------------------------------------------------------------


def start(folder, *arguments):
    """Start a run that would take hours, as a command of its own."""
    line = [sys.executable, "-m", "gan_lab.train", *TINY, "max_rounds=1000000", *arguments]
    return subprocess.Popen(
        line, cwd=folder, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, stderr=subprocess.PIPE, text=True
    )  # fmt: skip


def wait_for_rounds(process, run):
    """Wait until the run has recorded a round."""
    until = time.monotonic() + 120
    while not any(record["iteration"] >= 3 for record in run.records()):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until, "no round within two minutes"
        time.sleep(0.1)


@pytest.mark.slow
def test_signals_end_a_run_with_their_exit_codes(tmp_path):
    """A round is finished and saved, and schedulers and sweeps see that the job did not end by itself."""
    cases = {
        "term": (signal.SIGTERM, 143, [f"hydra.run.dir={tmp_path}/term"], tmp_path / "term"),
        "int": (signal.SIGINT, 130, [f"hydra.run.dir={tmp_path}/int"], tmp_path / "int"),
        "sweep": (signal.SIGTERM, 143, ["-m", "seed=0,1", f"hydra.sweep.dir={tmp_path}/sweep"], tmp_path / "sweep/0"),
    }  # fmt: skip
    processes = {name: start(tmp_path, *case[2]) for name, case in cases.items()}
    try:
        for name, (number, code, _, folder) in cases.items():
            process, run = processes[name], RunFolder(folder)
            wait_for_rounds(process, run)
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
            assert process.returncode == code, name
            assert f"Stopped by {number.name}" in said.strip().splitlines()[-1]
            assert "Traceback" not in said
            status = json.loads(run.status.read_text())
            assert status == {"state": "interrupted", "reason": number.name}
            saved = load_checkpoint(run.last)["clock"]["iteration"]
            recorded = max(record["iteration"] for record in run.records())
            assert saved == recorded >= 3, "the round that ran was finished, recorded and saved"
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    assert not (tmp_path / "sweep/1").exists(), "the jobs that were left do not run"


def test_a_second_interrupt_does_not_wait(monkeypatch):
    """Somebody who presses Ctrl-C twice wants out at once."""
    from gan_lab.process.interrupts import Interrupted, Interrupts

    with Interrupts() as interrupts:
        interrupts.deferred = True
        signal.raise_signal(signal.SIGINT)
        assert interrupts.pending == signal.SIGINT
        with pytest.raises(Interrupted) as stop:
            signal.raise_signal(signal.SIGINT)
        assert stop.value.exit_code == 130


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_whose_exception_python_dropped_is_not_lost():
    """Exceptions in finalizers are printed and dropped; a run that starts later must stop all the same."""
    from gan_lab.process.interrupts import Interrupted, Interrupts

    class Finalized:
        def __del__(self):
            signal.raise_signal(signal.SIGTERM)

    with Interrupts() as outer:
        Finalized()
        assert outer.pending == signal.SIGTERM
        with Interrupts() as inner, pytest.raises(Interrupted) as stop:
            inner.check()
        assert stop.value.exit_code == 143


# The engine's own seeds -------------------------------------------------------------------------


def test_equal_seeds_build_equal_runs_whatever_was_drawn_before():
    """Weights hang on seed, not on what this process did before, nor on the parts built before them."""
    from omegaconf import OmegaConf

    config = OmegaConf.to_container(compose([*TINY, "seed=3"]), resolve=True)
    torch.manual_seed(1)
    one = build(config).game.state_dict()
    torch.rand(17)
    other = build(config).game.state_dict()
    assert all(torch.equal(value, other[name]) for name, value in one.items())
