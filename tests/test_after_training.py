"""What comes after training: samples, scores and the console script, from the run folder alone."""

from __future__ import annotations

import copy
import importlib.util
import json
import multiprocessing
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import gan_lab
from gan_lab import cli, evaluate, export, sample
from gan_lab.common.errors import CheckpointError, ConfigError
from gan_lab.engine.randomness import numbers_of
from gan_lab.media.images import to_uint8
from gan_lab.storage.checkpoint import load_checkpoint
from gan_lab.train import main

MEASURE = ["metrics.num_samples=48", "metrics.num_reals=64"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run whose averaged and raw weights differ."""
    folder = tmp_path_factory.mktemp("runs") / "lr=1,seed=2"  # as a sweep might call it
    tiny = [
        "debug=tiny",
        "model=dcgan",
        "max_rounds=6",
        "optimizer.generator.lr=0.01",
        "logger=none",
    ]
    assert main([*tiny, *MEASURE, f"hydra.run.dir='{folder}'"]) == 0
    return folder


def records(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [one for one in map(json.loads, lines) if "protocol" in one]


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def test_samples_do_not_depend_on_the_batch_size(run):
    model = gan_lab.load(run)
    images = model.sample(100, seed=3)
    assert images.shape == (100, 1, 32, 32)
    assert images.dtype == torch.float32
    assert images.abs().max() <= 1
    for batch_size in (1, 7, 64):
        again = model.sample(100, seed=3, batch_size=batch_size)
        torch.testing.assert_close(again, images, rtol=0, atol=1e-5)
    torch.testing.assert_close(model.sample(10, seed=3), images[:10], rtol=0, atol=1e-5)
    assert (model.sample(100, seed=4) - images).abs().max() > 1e-3


def test_samples_with_batch_statistics_do_not_depend_on_it_either(run):
    model = gan_lab.load(run)
    images = model.sample(100, batch_norm="batch")
    again = model.sample(100, batch_norm="batch", batch_size=30)
    torch.testing.assert_close(again, images, rtol=0, atol=1e-5)
    assert (model.sample(100) - images).abs().max() > 1e-3
    running = model.networks["generator"].state_dict()
    averaged = load_checkpoint(model.checkpoint)["players"]["generator"]["ema"]["generator"]
    assert all(torch.equal(running[name], averaged[name]) for name in averaged)


def test_the_averaged_weights_are_the_default(run):
    state = load_checkpoint(run / "checkpoints" / "last.ckpt")
    averaged = gan_lab.load(run).networks["generator"].state_dict()
    raw = gan_lab.load(run, ema=False).networks["generator"].state_dict()
    for name, tensor in averaged.items():
        assert torch.equal(tensor, state["players"]["generator"]["ema"]["generator"][name])
        assert torch.equal(raw[name], state["networks"][f"generator.{name}"])
    assert any(not torch.equal(averaged[name], raw[name]) for name in averaged)


def test_a_moved_folder_without_its_data_still_samples(run, tmp_path):
    expected = gan_lab.load(run).sample(4)
    (tmp_path / "moved" / "checkpoints").mkdir(parents=True)
    config = yaml.safe_load((run / "config.yaml").read_text())
    celeba = {"_target_": "gan_lab.data.sets.celeba.Celeba", "root": "/gone", "resolution": 32}
    (tmp_path / "moved" / "config.yaml").write_text(yaml.safe_dump(config))
    shutil.copy(run / "checkpoints" / "last.ckpt", tmp_path / "moved" / "checkpoints")
    assert torch.equal(gan_lab.load(tmp_path / "moved").sample(4), expected)
    config["data"] = {**celeba, "batch_size": 8}
    (tmp_path / "moved" / "config.yaml").write_text(yaml.safe_dump(config))
    # What the data was stands in the checkpoint: three channels of other data change nothing.
    assert torch.equal(gan_lab.load(tmp_path / "moved").sample(4), expected)
    config["generator"]["width"] += 1
    (tmp_path / "moved" / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(CheckpointError, match="does not fit the model"):
        gan_lab.load(tmp_path / "moved")


def test_what_cannot_be_loaded_is_a_sentence(run, tmp_path):
    with pytest.raises(CheckpointError, match="no run folder is there"):
        gan_lab.load(tmp_path)
    with pytest.raises(CheckpointError, match="must be last, best or a"):
        gan_lab.load(run, "first")
    with pytest.raises(CheckpointError, match=r"it has best\.ckpt, last-1\.ckpt, last\.ckpt"):
        gan_lab.load(run, "kimg-5.ckpt")
    with pytest.raises(ConfigError, match="device=abacus: cannot be used here"):
        gan_lab.load(run, device="abacus")
    copy = shutil.copytree(run, tmp_path / "copy")
    (copy / "checkpoints" / "last.ckpt").write_bytes(b"PK\3\4 half a file")
    with pytest.raises(CheckpointError, match="damaged"):
        gan_lab.load(copy)
    assert gan_lab.load(copy, "best").iteration >= 0


@pytest.mark.parametrize("where", ["checkpoints/best.ckpt", "best.ckpt"])
def test_a_checkpoint_is_not_taken_for_its_run(run, where):
    with pytest.raises(
        CheckpointError, match=r"names a checkpoint; write run=.* checkpoint=.*best"
    ):
        gan_lab.load(run / where)


def test_sample_writes_a_grid(run, tmp_path, capsys):
    assert sample.main([f"run={run}", "num=9", "seed=5"]) == 0
    path = run / "generated" / "last-seed-5-num-9.png"
    assert capsys.readouterr().out == f"{path}\n"
    grid = pixels(path)
    assert grid.shape == (3 * 34 + 2, 3 * 34 + 2, 3)
    first = to_uint8(gan_lab.load(run).sample(9, seed=5)[0, 0]).numpy()
    assert np.array_equal(grid[2:34, 2:34, 0], first)
    # The same command gives the same file, in another process and from elsewhere too.
    command = [sys.executable, "-m", "gan_lab.sample", f"run={run}", "num=9", "seed=5", "out=x.png"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert (tmp_path / "x.png").read_bytes() == path.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["x.png"]


def test_sample_writes_single_files(run, tmp_path):
    out = tmp_path / "a folder, new"
    command = [f"run={run}", "num=5", f"out={out}", "checkpoint=best", "ema=false", "batch_size=2"]
    assert sample.main(command) == 0
    files = sorted(out.iterdir())
    assert [file.name for file in files] == [f"{i:06}.png" for i in range(5)]
    images = to_uint8(gan_lab.load(run, "best", ema=False).sample(5)[:, 0]).numpy()
    for file, image in zip(files, images, strict=True):
        found = np.asarray(Image.open(file)).astype(int)
        assert np.abs(found - image).max() <= 1  # another batch size may round differently


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_a_folder_holds_one_set_of_samples(run, tmp_path, capsys):
    """Five old files beside three new ones would be scored as one set."""
    out = tmp_path / "set"
    assert sample.main([f"run={run}", "num=5", f"out={out}", "seed=1"]) == 0
    old = (out / "000000.png").read_bytes()
    capsys.readouterr()
    assert sample.main([f"run={run}", "num=3", f"out={out}", "seed=2"]) == 2
    assert "5 samples are there already; choose another folder, or set" in capsys.readouterr().err
    assert (out / "000000.png").read_bytes() == old
    assert sample.main([f"run={run}", "num=3", f"out={out}", "seed=2", "overwrite=true"]) == 0
    assert names(out) == ["000000.png", "000001.png", "000002.png"]
    assert (out / "000000.png").read_bytes() != old
    shutil.copy(out / "000000.png", out / "holiday.png")
    assert sample.main([f"run={run}", "num=3", f"out={out}", "overwrite=true"]) == 2
    assert "holiday.png is there, which is no sample" in capsys.readouterr().err
    assert len(names(out)) == 4


def test_samples_that_stop_halfway_leave_the_old_set(run, tmp_path, monkeypatch, capsys):
    out = tmp_path / "set"
    assert sample.main([f"run={run}", "num=2", f"out={out}"]) == 0
    before = {file.name: file.read_bytes() for file in out.iterdir()}

    def full(pixels, path):
        if path.name == "000002.png":
            raise OSError(28, "No space left on device")
        path.write_bytes(b"new")

    monkeypatch.setattr("gan_lab.media.folders.write_png", full)
    command = [f"run={run}", "num=4", f"out={out}", "overwrite=true"]
    assert sample.main(command) == 1
    assert "the samples cannot be written" in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before


def test_a_grid_of_a_name_that_was_given_is_not_overwritten(run, tmp_path, capsys):
    command = [f"run={run}", "num=4", f"out={tmp_path / 'grid.png'}"]
    assert sample.main(command) == 0
    assert sample.main([*command, "seed=1"]) == 2
    assert "it is there already" in capsys.readouterr().err
    assert sample.main([*command, "seed=1", "overwrite=true"]) == 0


def test_a_loaded_run_can_be_pickled_copied_and_sent_to_another_process(run):
    model = gan_lab.load(run, device="cpu")
    images = model.sample(3)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert torch.equal(other.sample(3), images)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert torch.equal(pool.apply(model.sample, (3,)), images)


def test_the_discriminators_spectral_norm_is_no_obstacle(tmp_path):
    tiny = ["debug=tiny", "model=sngan", "max_rounds=1", "logger=none", "metrics=none"]
    assert main([*tiny, f"hydra.run.dir={tmp_path}"]) == 0
    model = gan_lab.load(tmp_path)
    assert torch.equal(pickle.loads(pickle.dumps(model)).sample(3), model.sample(3))


def run_file(path, latents):
    """Images of an exported file, in a way of its format."""
    if path.suffix == ".pt2":
        return torch.export.load(path).module()(latents)
    session = pytest.importorskip("onnxruntime").InferenceSession(path)
    (entry,), (output,) = session.get_inputs(), session.get_outputs()
    assert (entry.name, entry.type, entry.shape[1]) == ("latents", "tensor(float)", 100)
    assert isinstance(entry.shape[0], str), "the batch is of any size"
    assert (output.name, output.type) == ("images", "tensor(float)")
    (images,) = session.run(None, {"latents": latents.numpy()})
    return torch.from_numpy(images)


@pytest.mark.parametrize(("format", "suffix"), [("onnx", ".onnx"), ("torch", ".pt2")])
def test_export_gives_the_images_of_the_run(run, format, suffix, tmp_path, capsys):
    out = tmp_path / f"generator{suffix}"
    assert export.main([f"run={run}", f"format={format}", f"out={out}"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{out}\n"
    assert "latents: float32 (N, 100), standard normal numbers" in said.err
    model = gan_lab.load(run, device="cpu")
    for count in (1, 7):
        latents = numbers_of(range(count), 100, seed=3)
        images = run_file(out, latents)
        assert images.shape == (count, 1, 32, 32)
        torch.testing.assert_close(images, model.sample(count, seed=3), rtol=0, atol=1e-4)
    walk = model.walk(model.latents_of([3, 77]), 4)
    torch.testing.assert_close(run_file(out, walk), model.generate(walk), rtol=0, atol=1e-4)
    # A file is never replaced without a word.
    written = out.read_bytes()
    assert export.main([f"run={run}", f"format={format}", f"out={out}", "ema=false"]) == 2
    assert "a file is there already; choose another name" in capsys.readouterr().err
    assert out.read_bytes() == written
    assert export.main([f"run={run}", f"format={format}", "ema=false", "checkpoint=best"]) == 0
    assert (run / "exported" / f"best-raw{suffix}").is_file()


def test_export_without_its_packages_is_a_sentence(run, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *a: None if name == "onnxscript" else find(name, *a),
    )
    assert export.main([f"run={run}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("format=onnx: the package onnxscript is not installed; install what is")
    assert len(said.splitlines()) == 1
    assert not (run / "exported" / "last.onnx").exists()


@pytest.mark.parametrize("checkpoint", ["last", "best"])
def test_evaluate_gives_the_value_that_training_recorded(run, checkpoint, capsys):
    values = [one["metric/small_frechet"] for one in records(run)]
    expected = values[-1] if checkpoint == "last" else min(values)
    assert evaluate.main([f"run={run}", f"checkpoint={checkpoint}", "metrics=small", *MEASURE]) == 0
    out = run / "eval" / f"{checkpoint}-small_frechet-48.json"
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == str(out)
    assert f"metric/small_frechet {expected:.6g}" in said
    result = json.loads(out.read_text())
    assert result["values"]["metric/small_frechet"] == pytest.approx(expected, rel=1e-6)
    assert result["protocol"] == records(run)[-1]["protocol"]
    assert result["checkpoint"].endswith(f"{checkpoint}.ckpt")


def test_evaluate_other_weights_into_another_file(run, tmp_path):
    out = tmp_path / "new" / "raw.json"
    assert evaluate.main([f"run={run}", "ema=false", f"out={out}", *MEASURE]) == 0
    result = json.loads(out.read_text())
    assert result["protocol"]["ema"] is False
    assert result["iteration"] == 6
    assert result["values"]["metric/small_frechet"] != records(run)[-1]["metric/small_frechet"]


@pytest.mark.parametrize(
    ("command", "options", "said", "code"),
    [
        (sample, [], "run=: no run is given; set run=<folder>", 2),
        (sample, ["run=/no/such"], "/no/such: no run folder is there", 1),
        (sample, ["run={run}", "+nun=3"], "nun: no such option; did you mean", 2),
        (sample, ["run={run}", "sed=3"], "sed: no such option; did you mean seed?", 2),
        (sample, ["run={run}", "num=0"], "num=0: must lie in [1, inf).", 2),
        (sample, ["run={run}", "num=all"], "num=all: must be a whole number.", 2),
        (sample, ["run={run}", "batch_norm=none"], "must be one of running, batch", 2),
        (sample, ["run={run}", "out=/proc/x/y.png"], "out=/proc/x/y.png: the samples cannot be", 1),
        (sample, ["run={run}", "overwrite=maybe"], "overwrite=maybe: must be true or false", 2),
        (export, [], "run=: no run is given; set run=<folder>", 2),
        (export, ["run={run}", "format=onxx"], "format=onxx: must be one of onnx, torch", 2),
        (export, ["run={run}", "fromat=onnx"], "fromat: no such option; did you mean format?", 2),
        (export, ["run={run}", "out={run}"], "this is a folder; name a file in it", 2),
        (export, ["run={run}", "out=/proc/x/y", "format=torch"], "out=/proc/x/y: the file cannot", 1),
        (evaluate, ["run={run}", "+metrics.feature=64"], "metrics.feature: no such option; an option of one metric", 2),
        (evaluate, ["run={run}", "+data.rooot=x"], "data.rooot: no such option; did you mean", 2),
        (evaluate, ["run={run}", "data.root=/tmp"], "FashionMini has no such option", 2),
        (evaluate, ["run={run}", "metrics=none"], "metrics=none: there is nothing to evaluate", 2),
        (evaluate, ["run={run}", "metrics=fdi"], "metrics=fdi: no such metrics; did you mean fid?", 2),
        (evaluate, ["run={run}", "metrics.split=tets"], "did you mean test?", 2),
    ],
)  # fmt: skip
def test_errors_are_one_sentence(run, command, options, said, code, capsys):
    assert command.main([option.format(run=run) for option in options]) == code
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_data_that_has_moved(run, tmp_path, capsys):
    copy = shutil.copytree(run, tmp_path / "copy")
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["data"] = {
        "_target_": "gan_lab.data.sets.folder.ImageFolder", "root": "/gone", "resolution": 32,
        "channels": 1, "flip": False, "holdout": 0.0, "on_error": "raise", "batch_size": 8,
    }  # fmt: skip
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    noise = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for index in range(70):
        image = Image.fromarray(noise.integers(0, 256, (32, 32), dtype=np.uint8))
        image.save(tmp_path / "images" / f"{index}.png")
    assert evaluate.main([f"run={copy}", *MEASURE]) == 2
    assert "/gone" in capsys.readouterr().err
    assert evaluate.main([f"run={copy}", f"data.root={tmp_path / 'images'}", *MEASURE]) == 0


def test_console_script(run, capsys):
    assert cli.main(["sample", f"run={run}", "num=1", "seed=9"]) == 0
    assert (run / "generated" / "last-seed-9-num-1.png").is_file()
    capsys.readouterr()
    assert cli.main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n  {name} " in said for name in cli.COMMANDS)
    assert {"interpolate", "timelapse"} <= set(cli.COMMANDS)
    assert cli.main(["--version"]) == 0
    assert cli.main([]) == 2
    capsys.readouterr()
    assert cli.main(["evalute"]) == 2
    assert capsys.readouterr().err == "gan-lab evalute: no such command; did you mean evaluate?\n"


def test_help_is_quick():
    """Torch takes seconds to import: the list of commands must not wait for it."""
    code = "import sys; from gan_lab.cli import main; main(['--help']); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
