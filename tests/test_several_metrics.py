"""A run with several metrics, from its command line to its best weights, its resume and its evaluation."""

import json

import pytest
import torch

import gan_lab.evaluate as evaluate
from gan_lab.run.outcome import outcome_of
from gan_lab.storage.run_folder import RunFolder
from gan_lab.train import main

TINY = ["debug=tiny", "logger=none", "samples.num=4", "max_rounds=null", "log_every_rounds=50"]
SEVERAL = [
    "metrics=[small,precision_recall]", "metrics.every_kimg=null", "metrics.small.every_kimg=0.016",
    "metrics.precision_recall.every_kimg=0.032", "checkpoint.monitor=recall",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several") / "run"
    assert main([*TINY, *SEVERAL, "max_kimg=0.04", f"hydra.run.dir={folder}"]) == 0
    return RunFolder(folder)


def measured(run):
    return [record for record in run.records() if "protocol" in record]


def test_each_metric_keeps_its_own_schedule_and_all_score_at_the_ends(run):
    small = [r["images_seen"] for r in measured(run) if "metric/small_frechet" in r]
    recall = [r["images_seen"] for r in measured(run) if "metric/recall" in r]
    assert small[:4] == [0, 16, 32, 40]
    assert recall[:3] == [0, 32, 40]
    first, second = measured(run)[:2]
    assert "metric/seconds" in first
    assert "metric/seconds" not in second
    assert next(iter(k for k in second if k.startswith("metric/"))) == "metric/recall"


def test_the_named_value_ranks_and_the_highest_is_best(run):
    state = torch.load(run.last, weights_only=True)["evaluation"]
    assert state["key"] == "metric/recall"
    values = [r["metric/recall"] for r in measured(run) if "metric/recall" in r][1:3]
    assert state["best_value"] == max(values)
    assert run.read_status()["ranked_by"] == "metric/recall"
    assert outcome_of(run.path).metric.name == "recall"
    assert outcome_of(run.path).metric.best == max(values)


def test_a_finished_run_that_goes_on_scores_no_weights_twice(run, capsys):
    before = len(measured(run))
    assert main([f"resume={run.path}"]) == 0
    assert len(measured(run)) == before
    assert main([f"resume={run.path}", "max_kimg=0.048"]) == 0
    added = [(r["images_seen"], "metric/recall" in r) for r in measured(run)[before:]]
    assert added == [(48, False), (48, True)]
    capsys.readouterr()


def test_evaluate_gives_the_values_of_training_again(run, capsys):
    options = ["metrics=[small,precision_recall]", "metrics.num_samples=64", "metrics.num_reals=64"]
    assert evaluate.main([f"run={run.path}", *options]) == 0
    (file,) = (run.path / "eval").glob("*small_frechet+precision*.json")
    result = json.loads(file.read_text())
    assert list(result["protocols"]) == ["metric/small_frechet", "metric/precision"]
    last = {k: v for r in measured(run)[-2:] for k, v in r.items() if k in result["values"]}
    assert len(last) == 5
    assert result["values"] == pytest.approx(last, rel=1e-6)
    capsys.readouterr()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["metrics=[accuracy]"], "metrics: accuracy needs images of a class that was asked for, and this model"),
        (["metrics=[small]", "checkpoint.monitor=kdi"], "checkpoint.monitor=kdi: the chosen metrics give"),
        (["metrics=fid", "metrics.feature=64"], "is an option of one metric; write metrics.fid.feature"),
        (["metrics=[small,small]"], "small is chosen twice"),
    ],
)  # fmt: skip
def test_what_cannot_be_ends_in_a_sentence(tmp_path, capsys, options, said):
    short = ["metrics.accuracy.train_kimg=0.2"] if "accuracy" in options[0] else []
    assert main([*TINY, *options, *short, "max_kimg=0.016", f"hydra.run.dir={tmp_path}/run"]) == 2
    assert said in capsys.readouterr().err
