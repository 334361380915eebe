"""MLflow is read back from its own store; Comet and Aim are held to what their packages declare."""

from __future__ import annotations

import inspect
import os
import shutil
import sys
import types

import pytest

from gan_lab.engine.clock import Clock
from gan_lab.loggers import services
from gan_lab.storage.checkpoint import load_checkpoint
from gan_lab.storage.run_folder import RunFolder
from gan_lab.train import main

TINY = ["debug=tiny", "metrics=small", "samples.num=4"]


@pytest.fixture(autouse=True)
def no_store(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run with logger=mlflow."""
    pytest.importorskip("mlflow")
    folder = tmp_path_factory.mktemp("runs") / "one"
    assert main([*TINY, "logger=mlflow", "penalty=[r1,r2]", f"hydra.run.dir={folder}"]) == 0
    return folder


def client(folder):
    from mlflow.tracking import MlflowClient

    return MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")


def stored(folder):
    """The one run of a run folder's store."""
    wanted = load_checkpoint(folder / "checkpoints" / "last.ckpt")["identity"]["mlflow_id"]
    return client(folder).get_run(wanted)


def test_mlflow_has_the_records_over_images_seen(run):
    found = stored(run)
    for key in ("loss/generator", "metric/small_frechet"):
        history = client(run).get_metric_history(found.info.run_id, key)
        lines = [r for r in RunFolder(run).records() if key in r]
        assert [(point.step, point.value) for point in history] == [
            (line["images_seen"], line[key]) for line in lines
        ]
    assert found.info.status == "FINISHED"
    assert found.data.tags["mlflow.runName"] == "one"


def test_mlflow_has_the_configuration_by_name(run):
    parameters = stored(run).data.params
    assert parameters["chosen/model"] == "dcgan"
    assert parameters["chosen/penalty"] == "r1,r2"
    assert parameters["resolved/precision"] in ("32-true", "bf16-mixed")
    assert parameters["generator/width"] == "8"


def test_mlflow_has_the_pictures(run):
    found = stored(run)
    names = [one.path for one in client(run).list_artifacts(found.info.run_id, "samples")]
    assert names == [
        f"samples/{path.name}" for path in sorted((run / "samples").glob("kimg-*.png"))
    ]
    pictures = run / "mlflow-artifacts" / found.info.run_id / "artifacts"
    kept = [path.read_bytes() for path in sorted((pictures / "samples").iterdir())]
    assert kept == [path.read_bytes() for path in sorted((run / "samples").glob("kimg-*.png"))]
    assert (pictures / "curves" / "curves.png").is_file()


def test_each_run_of_a_process_has_its_own_store(run, tmp_path):
    folder = tmp_path / "two"
    assert main([*TINY, "metrics=none", "logger=mlflow", f"hydra.run.dir={folder}"]) == 0
    assert stored(folder).info.status == "FINISHED"
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_a_resumed_run_goes_on_under_its_id_at_mlflow(run, tmp_path):
    moved = shutil.copytree(run, tmp_path / "one")
    before = stored(moved)
    assert main([f"resume={moved}", "max_rounds=6"]) == 0
    history = client(moved).get_metric_history(before.info.run_id, "loss/generator")
    assert [point.step for point in history] == [16, 32, 48]
    assert stored(moved).info.run_id == before.info.run_id


@pytest.mark.parametrize(
    ("choice", "module", "package"),
    [
        ("mlflow", "mlflow.tracking", "mlflow"),
        ("comet", "comet_ml", "comet-ml"),
        ("aim", "aim", "aim"),
    ],
)
def test_a_missing_package_is_a_sentence(choice, module, package, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, module, None)  # importing it fails
    monkeypatch.setattr("lightning.pytorch.loggers.comet._COMET_AVAILABLE", False)
    assert main([*TINY, f"logger={choice}", f"hydra.run.dir={tmp_path}/run"]) == 2
    said = capsys.readouterr().err
    assert f"logger={choice}: the package {package} is not installed; install it" in said
    assert "Traceback" not in said
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_what_mlflow_refuses_is_a_sentence(tmp_path, capsys):
    pytest.importorskip("mlflow")
    options = [
        "logger=mlflow",
        "logger.mlflow.uri=nonsense://nowhere",
        f"hydra.run.dir={tmp_path}/run",
    ]
    assert main([*TINY, *options]) == 2
    said = capsys.readouterr().err
    assert "logger=mlflow: the service refuses the run (" in said
    assert "Traceback" not in said


class Kept:
    """Stands for a service's own object: takes any call and keeps it."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        return lambda *given, **named: self.calls.append((name, given, named))


def fake_logger(options):
    """A logger of Lightning's kind that takes exactly these options."""

    made = []

    class Logger:
        def __init__(self, **given):
            unknown = set(given) - set(options)
            assert not unknown, f"its constructor has no {unknown}"
            self.given, self.experiment, self.version, self.logged = given, Kept(), "id-1", []
            made.append(self)

        def log_hyperparams(self, facts):
            self.facts = facts

        def log_metrics(self, values, step):
            self.logged.append((values, step))

        def finalize(self, status):
            self.status = status

    Logger.made = made
    return Logger


def use(tracker, tmp_path, identity):
    """Everything that a run does with a tracker."""
    clock = Clock(iteration=2, generator_updates=2, images_seen=16)
    one = tracker(
        folder=RunFolder(tmp_path),
        identity=identity,
        config={"seed": 1},
        resolved={"precision": "32-true"},
    )
    one.record({"loss/generator": 1.0}, clock)
    one.picture("samples", tmp_path / "grid.png", clock)
    one.close(1)


def test_comet_is_called_as_lightnings_logger_declares(tmp_path, monkeypatch):
    from lightning.pytorch.loggers import CometLogger

    options = {*inspect.signature(CometLogger).parameters, "name"}  # which it hands on to Comet
    fake = fake_logger(options)
    monkeypatch.setattr("lightning.pytorch.loggers.CometLogger", fake)
    identity = {}
    use(services.CometTracker, tmp_path, identity)
    (logger,) = fake.made
    assert (logger.given["project"], logger.given["experiment_key"]) == ("gan_lab", None)
    assert (identity, logger.status) == ({"comet_id": "id-1"}, "failed")
    assert logger.facts["resolved"] == {"precision": "32-true"}
    (values, step), *_ = logger.logged
    assert (values["loss/generator"], step) == (1.0, 16)
    assert [name for name, _, _ in logger.experiment.calls] == ["log_image", "end"]
    use(services.CometTracker, tmp_path, identity)
    assert fake.made[1].given["experiment_key"] == "id-1"


def test_aim_is_called_as_its_logger_declares(tmp_path, monkeypatch):
    # Of aim 3.29, whose own logger is the one for Lightning.
    options = {
        "repo", "experiment", "train_metric_prefix", "val_metric_prefix", "test_metric_prefix",
        "system_tracking_interval", "log_system_params", "capture_terminal_logs", "run_name", "run_hash",
        "context_prefixes", "context_postfixes",
    }  # fmt: skip
    fake = fake_logger(options)
    package, inside = types.ModuleType("aim"), types.ModuleType("aim.pytorch_lightning")
    package.Image, inside.AimLogger = str, fake
    monkeypatch.setitem(sys.modules, "aim", package)
    monkeypatch.setitem(sys.modules, "aim.pytorch_lightning", inside)
    identity = {}
    use(services.AimTracker, tmp_path, identity)
    (logger,) = fake.made
    assert logger.given["repo"] == str(tmp_path.resolve())
    assert logger.given["run_hash"] is None
    assert identity == {"aim_id": "id-1"}
    assert logger.experiment.calls == [
        ("track", (str(tmp_path / "grid.png"),), {"name": "samples", "step": 16})
    ]
