"""What a callback written for Lightning meets here: which hooks come, what the step is, and how it ends a run."""

from __future__ import annotations

import inspect
import json

import pytest
from lightning.pytorch import Callback, callbacks

from gan_lab.callbacks.hooks import CALLED, NEVER_CALLED
from gan_lab.storage.checkpoint import load_checkpoint
from gan_lab.train import main
from tests.conftest import REPOSITORY
from tests.toy.watching import seen

TINY = [
    "debug=tiny", "logger=none", "strategy=cpu", "generator.width=4", "discriminator.width=4", "samples.num=4",
    "metrics=none", "max_kimg=null", "allow_targets=[tests.]",
]  # fmt: skip


def train(folder, name, *options):
    target = f"+callbacks.x._target_={name if '.' in name else f'tests.toy.watching.{name}'}"
    return main([*TINY, target, *options, f"hydra.run.dir={folder}"])


def state(folder):
    return json.loads((folder / "status.json").read_text())["state"]


def records(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def rounds(start, middle, end):
    """What a run from one iteration to another calls."""
    inner = [start, *middle]
    return [
        ("setup", start), ("on_fit_start", start), ("on_train_start", start), ("on_train_epoch_start", start),
        *(pair for low, high in zip(inner, [*middle, end], strict=True)
          for pair in (("on_train_batch_start", low), ("on_train_batch_end", high))),
        ("on_train_epoch_end", end), ("on_train_end", end), ("on_fit_end", end), ("teardown", end),
    ]  # fmt: skip


def test_hooks_come_in_stretches_of_rounds_with_the_true_step(tmp_path, capsys):
    folder = tmp_path / "run"
    seen.clear()
    assert train(folder, "Watcher", "max_rounds=120") == 0
    assert [(hook, step) for hook, step, _ in seen] == rounds(0, [50, 100], 120)
    assert all(step == iteration for _, step, iteration in seen)
    said = capsys.readouterr().err
    assert (
        "Watcher has hooks that a run never calls: on_before_zero_grad, on_before_backward" in said
    )

    seen.clear()
    assert main([f"resume={folder}", "max_rounds=180", "allow_targets=[tests.]"]) == 0
    assert [(hook, step) for hook, step, _ in seen] == rounds(120, [170], 180)
    assert all(step == iteration for _, step, iteration in seen)


def test_a_callback_may_end_the_run_and_log(tmp_path):
    folder = tmp_path / "run"
    assert (
        train(
            folder,
            "Ender",
            "max_rounds=100000",
            "log_every_rounds=10",
            "trainer.log_every_n_steps=1",
        )
        == 0
    )
    assert state(folder) == "finished"
    assert records(folder)[-1]["iteration"] == 100
    assert (folder / "curves.png").is_file()
    assert [(r["iteration"], r["toy/step"]) for r in records(folder) if "toy/step" in r] == [
        (50, 50),
        (100, 100),
    ]


def test_a_callback_that_nobody_would_call_is_refused(tmp_path, capsys):
    folder = tmp_path / "run"
    for name, why in (
        (
            "Deaf",
            "callbacks.x: Deaf waits for on_before_optimizer_step only, which a run never calls; ",
        ),
        ("lightning.pytorch.callbacks.Callback", "callbacks.x: Callback has no hooks; "),
    ):
        assert train(folder, name, "max_rounds=1") == 2
        said = capsys.readouterr().err
        assert why in said
        assert len(said.strip().splitlines()) == 1
        assert not (folder / "config.yaml").exists()


def test_an_error_of_a_callback_loses_nothing(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(ValueError, match="the toy is broken"):
        train(folder, "Broken", "max_rounds=60", "checkpoint.every_kimg=0.1")
    assert state(folder) == "failed"
    assert "watching.py" in (folder / "error.txt").read_text()
    assert records(folder)[-1]["iteration"] == 50
    assert load_checkpoint(folder / "checkpoints" / "last.ckpt")["clock"]["iteration"] > 0


def test_every_hook_of_lightning_is_told_apart_and_documented():
    hooks = {
        name for name, value in vars(Callback).items() if inspect.isfunction(value) and not name.startswith("_")
    }  # fmt: skip
    assert set(CALLED) | set(NEVER_CALLED) == hooks
    assert not set(CALLED) & set(NEVER_CALLED)
    text = (REPOSITORY / "docs" / "lightning.md").read_text()
    assert [hook for hook in CALLED if f"`{hook}`" not in text] == []


# What each of Lightning's that work here leaves, in the records or on the terminal, and the package that it needs.
WORK = {
    "DeviceStatsMonitor": ("DeviceStatsMonitor.on_train_batch_start/cpu_percent", "psutil"),
    "LearningRateMonitor": ("lr-Adam", None),
    "ModelSummary": ("Total params", None),
    "RichModelSummary": ("Total params", "rich"),
}


@pytest.mark.parametrize("name", WORK)
def test_callbacks_of_lightning_that_watch_do_their_work(tmp_path, capsys, name):
    left, package = WORK[name]
    if package is not None:
        pytest.importorskip(package)
    folder = tmp_path / "run"
    code = train(folder, f"lightning.pytorch.callbacks.{name}", "max_rounds=2")
    told = capsys.readouterr()
    assert code == 0, told.err
    assert left in f"{[*map(str, records(folder))]} {told.out} {told.err}"
    assert "generator" in told.err


def test_the_table_of_layers_is_in_the_log(tmp_path):
    assert train(tmp_path / "run", "lightning.pytorch.callbacks.ModelSummary", "max_rounds=1") == 0
    assert (tmp_path / "run" / "train.log").read_text().count("Total params") == 1


@pytest.mark.parametrize(
    ("name", "switch", "code", "why"),
    [
        ("DeviceStatsMonitor", "device_stats_monitor._PSUTIL_AVAILABLE", 1, "`psutil` is not installed"),
        ("RichModelSummary", "rich_model_summary._RICH_AVAILABLE", 2, "cannot be made here (`RichModelSummary`"),
        ("RichProgressBar", "progress.rich_progress._RICH_AVAILABLE", 2, "works against the engine"),
    ],
)  # fmt: skip
def test_without_their_package_they_say_so(tmp_path, capsys, monkeypatch, name, switch, code, why):
    monkeypatch.setattr(f"lightning.pytorch.callbacks.{switch}", False)
    assert train(tmp_path / "run", f"lightning.pytorch.callbacks.{name}", "max_rounds=1") == code
    assert why in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("name", sorted(set(callbacks.__all__) - set(WORK)))
def test_every_other_callback_of_lightning_is_refused_in_one_sentence(tmp_path, capsys, name):
    code = train(tmp_path / "run", f"lightning.pytorch.callbacks.{name}", "max_rounds=2")
    said = capsys.readouterr().err
    assert code == 2, said
    assert len(said.strip().splitlines()) == 1
    assert said.startswith("callbacks.x")
