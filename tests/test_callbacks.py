"""Callbacks come from the configuration: gan_lab's own, Lightning's, and none that works against the engine."""

from __future__ import annotations

import json

import pytest

from gan_lab.callbacks.base import AfterRound
from gan_lab.callbacks.run_state import RunState
from gan_lab.config.checks import check
from gan_lab.config.groups import Groups
from gan_lab.loggers.reporter import Reporter
from gan_lab.run.callbacks import make_callbacks
from gan_lab.storage.run_folder import RunFolder
from gan_lab.train import main
from tests.contracts.walk import composed

TINY = [
    "debug=tiny", "logger=none", "strategy=cpu", "generator.width=4", "discriminator.width=4", "samples.num=4",
]  # fmt: skip


def made(tmp_path, *overrides):
    config = composed(*overrides)
    check(config)
    folder = RunFolder(tmp_path)
    return make_callbacks(config, RunState(folder, Reporter(folder)), [])


def records(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("choice", Groups().choices("callbacks"))
def test_every_choice_is_made_beside_our_own(tmp_path, choice):
    names = [type(callback).__name__ for callback in made(tmp_path, f"callbacks=[{choice}]")]
    assert names[:3] == ["Status", "Evaluation", "Samples"]
    assert names[-1] == "Checkpoints", "it keeps what the others found in the same round"
    (extra,) = names[3:-1]
    assert extra.lower() == choice.replace("_", "")


def test_any_of_lightnings_is_added_by_its_class(tmp_path):
    *_, extra, _ = made(
        tmp_path,
        "+callbacks.watch._target_=lightning.pytorch.callbacks.LearningRateMonitor",
        "+callbacks.watch.log_momentum=true",
    )
    assert type(extra).__name__ == "LearningRateMonitor"
    assert extra.log_momentum


def test_ours_are_left_out_by_null_and_made_from_their_options(tmp_path):
    callbacks = made(
        tmp_path, "callbacks.samples=null", "~callbacks.evaluation", "checkpoint.every_kimg=7"
    )
    assert [type(c).__name__ for c in callbacks] == ["Status", "Checkpoints"]
    assert all(isinstance(c, AfterRound) for c in callbacks)
    assert callbacks[1].every_kimg == 7


REFUSED = {
    "+callbacks.x._target_=lightning.pytorch.callbacks.ModelCheckpoint": "set checkpoint.every_kimg",
    "+callbacks.x._target_=lightning.pytorch.callbacks.EarlyStopping": "max_kimg, max_rounds or max_time",
    "+callbacks.x._target_=lightning.pytorch.callbacks.TQDMProgressBar": "callbacks.status shows",
    "+callbacks.x._target_=lightning.pytorch.Trainer": "only classes below",
    "+callbacks.x._target_=os.system": "only classes below",
    "+callbacks.x._target_=gan_lab.losses.adversarial.Hinge": "must be a Callback of Lightning",
    "+callbacks.x=7": "must be a mapping",
    "generator._target_=lightning.pytorch.callbacks.Timer": "only classes below",
    "+callbacks.x._target_=lightning.pytorch.callbacks.lr_monitor.os.system": "cannot be imported",
    "+callbacks.x={_target_:lightning.pytorch.callbacks.ModelSummary,depth:1}": "callbacks.x.depth",
    "+trainer.max_epochs=3": "max_kimg, max_rounds or max_time ends a run",
    "trainer.max_epochs=3": "max_kimg, max_rounds or max_time ends a run",
    "trainer.accumulate_grad_batches=3": "set accumulate",
    "trainer.precision=16": "set precision",
    "trainer.gradient_clip_val=1": "set optimizer.<player>.clip_norm",
    "+trainer.logger=true": "set logger=wandb",
    "+trainer.callbacks=[]": "set callbacks=[...]",
    "+trainer.enable_checkpointing=true": "checkpoint.every_kimg",
    "+trainer.default_root_dir=x": "set hydra.run.dir",
    "trainer.detect_anomly=true": "did you mean detect_anomaly?",
    "trainer.profiler=fast": "must be one of simple, advanced, pytorch or null",
    "trainer.num_nodes=0": "trainer.num_nodes=0",
}  # fmt: skip


@pytest.mark.parametrize("override", REFUSED)
def test_what_the_engine_does_itself_is_refused_in_one_sentence(tmp_path, capsys, override):
    assert (
        main([*TINY, "metrics=none", "max_rounds=1", override, f"hydra.run.dir={tmp_path}/run"])
        == 2
    )
    said = capsys.readouterr().err
    assert REFUSED[override] in said
    assert len(said.strip().splitlines()) == 1, said


def test_every_option_of_lightnings_trainer_is_handed_on_or_has_its_sentence():
    import inspect

    from lightning.pytorch import Trainer

    from gan_lab.config.lightning import HANDED_ON, INSTEAD

    options = set(inspect.signature(Trainer.__init__).parameters) - {"self"}
    assert set(HANDED_ON) | set(INSTEAD) >= options
    assert not set(HANDED_ON) & set(INSTEAD)
    assert set(HANDED_ON) <= options


def test_options_reach_lightnings_trainer(tmp_path):
    from gan_lab.run.trainer import make_trainer

    config = composed(
        "trainer.detect_anomaly=true", "trainer.benchmark=false", "trainer.profiler=simple",
        "trainer.log_every_n_steps=3",
    )  # fmt: skip
    check(config)
    trainer = make_trainer(config, [], folder=tmp_path)
    assert trainer._detect_anomaly
    assert trainer.log_every_n_steps == 3
    assert type(trainer.profiler).__name__ == "SimpleProfiler"
    assert trainer.default_root_dir.startswith(str(tmp_path))


def test_a_callback_that_logs_through_lightning_reaches_metrics_jsonl(tmp_path):
    folder = tmp_path / "run"
    command = [
        *TINY, "metrics=none", "max_rounds=4", "callbacks=[learning_rate_monitor,model_summary]",
        "trainer.profiler=simple", "optimizer.generator.lr=3e-4", f"hydra.run.dir={folder}",
    ]  # fmt: skip
    assert main([c for c in command if not c.startswith("metrics.num")]) == 0
    rates = [r for r in records(folder) if "lr-Adam" in r]
    assert rates, "LearningRateMonitor was heard"
    assert rates[0]["lr-Adam"] in (3e-4, 2e-4)
    assert {"iteration", "images_seen"} <= set(rates[0]), "the x-axis is the run's own"
    assert "epoch" not in rates[0]
    assert list(folder.glob("*profile*")), "the profiler's report lies in the run folder"
    assert not list(folder.glob("lightning_logs")), "Lightning leaves nothing else"
