"""W&B runs are read back with W&B's own reader; nothing here needs the network."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from gan_lab.common.errors import ConfigError
from gan_lab.engine.clock import Clock
from gan_lab.loggers import facts
from gan_lab.loggers import wandb as tracker
from gan_lab.media.grid_facts import read_samples
from gan_lab.storage.checkpoint import load_checkpoint
from gan_lab.storage.environment import git_commit
from gan_lab.storage.run_folder import RunFolder
from gan_lab.train import main
from scripts import wandb_workspace as view
from tests.conftest import REPOSITORY

TINY = [
    "debug=tiny",
    "model=dcgan",
    "metrics=small",
    "metrics.num_samples=64",
    "metrics.num_reals=64",
]


QUICK = ["debug=tiny", "model=dcgan", "metrics=none"]


@pytest.fixture(scope="module", autouse=True)
def nobody_is_logged_in(tmp_path_factory):
    """No login, wherever the tests run."""
    patch = pytest.MonkeyPatch()
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        patch.delenv(name)
    patch.setenv("WANDB_SILENT", "true")
    empty = tmp_path_factory.mktemp("home")
    patch.setenv("NETRC", str(empty / "netrc"))
    patch.setenv("WANDB_CONFIG_DIR", str(empty))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run with logger=wandb."""
    folder = tmp_path_factory.mktemp("runs") / "one"
    assert main([*TINY, "logger=wandb", "logger.wandb.tags=[a,b]", f"hydra.run.dir={folder}"]) == 0
    return folder


@pytest.fixture(scope="module")
def stored(run):
    """What W&B's reader finds in it."""
    return records(run)


def records(folder):
    """All records of the one W&B run of a run folder."""
    (file,) = (folder / "wandb").glob("offline-run-*/*.wandb")
    return read(file)


def read(file):
    command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", str(file)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [json.loads(line) for line in lines]


def of_kind(records, kind):
    return [record[kind] for record in records if record["type"] == kind]


def curves(records):
    """Logged values by key, as (images_seen, value)."""
    found = {}
    for item in (history["item"] for history in of_kind(records, "history")):
        for key, value in item.items():
            found.setdefault(key, []).append((item["images_seen"], value))
    return found


def test_curves_lie_over_images_seen(stored):
    found = curves(stored)
    for key in (
        "loss/discriminator", "loss/discriminator/adversarial", "loss/generator", "logits/real",
        "logits/fake", "grad_norm/discriminator", "grad_norm/generator", "lr/discriminator",
        "lr/generator", "speed/images_per_s",
    ):  # fmt: skip
        assert [x for x, _ in found[key]] == [16, 32], key
        assert all(isinstance(value, float) for _, value in found[key])
    assert [x for x, _ in found["metric/small_frechet"]] == [0, 32]
    axes = of_kind(stored, "metric")
    assert [one["step_metric"] for one in axes if one.get("glob_name") == "*"] == ["images_seen"]
    assert not any("global_step" in json.dumps(one) for one in axes)


def test_values_are_those_of_metrics_jsonl(run, stored):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for key in ("loss/generator", "metric/small_frechet"):
        written = [(line["images_seen"], line[key]) for line in lines if key in line]
        assert curves(stored)[key] == written


def test_sample_grids_are_the_pictures_of_the_run_folder(run, stored):
    (folder,) = (run / "wandb").glob("offline-run-*")
    logged = curves(stored)["samples.path"]
    on_disk = sorted((run / "samples").glob("kimg-*.png"))
    assert [x for x, _ in logged] == [0, 32]
    for (_, name), file in zip(logged, on_disk, strict=True):
        pixels = np.asarray(Image.open(folder / "files" / name).convert("RGB"))
        # Floats in [-1, 1] would have become black or specks of 0 and 255.
        assert np.array_equal(pixels, np.asarray(Image.open(file).convert("RGB")))
        samples, _ = read_samples(file)
        assert 100 < np.median(np.asarray(samples)) < 160  # an untrained generator's grey


def test_configuration_commit_and_protocol_are_recorded(stored):
    (start,) = of_kind(stored, "run")
    config = start["config"]["update"]
    assert config["commit"] == git_commit()
    assert config["generator"]["width"] == 8
    assert config["optimizer"]["generator"]["lr"] == 2e-4
    assert start["display_name"] == "one"
    assert start["job_type"] == "train"
    assert start["project"] == "gan_lab"
    assert start["tags"] == ["a", "b"]
    summaries = [one["update"] for one in of_kind(stored, "summary")]
    assert {one["protocol"]["num_samples"] for one in summaries if "protocol" in one} == {64}
    assert of_kind(stored, "exit") == [{"exit_code": 0, **of_kind(stored, "exit")[0]}]


def summary_of(records):
    """What the summary holds at the end, by key."""
    found = {}
    for one in of_kind(records, "summary"):
        found |= one["update"]
    return found


def test_what_was_chosen_is_there_by_name(stored):
    """For columns and filters: `chosen.model = dcgan` says more than a class' path."""
    config = of_kind(stored, "run")[0]["config"]["update"]
    chosen = config["chosen"]
    assert {key: chosen[key] for key in ("model", "data", "generator", "discriminator", "loss")} == {
        "model": "dcgan", "data": "fashion_mini", "generator": "dcgan", "discriminator": "dcgan",
        "loss": "non_saturating",
    }  # fmt: skip
    assert chosen["penalty"] is chosen["experiment"] is None
    assert (chosen["debug"], chosen["metrics"], chosen["optimizer_generator"]) == (
        "tiny",
        "small",
        "adam",
    )
    assert config["precision"] == "auto"
    assert config["resolved"]["precision"] in ("32-true", "bf16-mixed")
    assert config["resolved"]["device"] in ("cpu", "cuda")


def test_several_penalties_are_one_text():
    part = {"_target_": "gan_lab.losses.adversarial.Hinge"}
    config = {"loss": part, "samples": {"num": 1}, "penalty": {"r1": part, "r2": part, "weight": 1}}
    chosen = facts.named_choices(config, {"loss": "hinge", "optimizer@optimizer.generator": "adam"})
    assert chosen == {
        "loss": "hinge", "optimizer_generator": "adam", "penalty": "r1,r2", "logger": None, "auxiliary": None,
        "augment": None, "degrade": None, "metrics": None,
    }  # fmt: skip
    # From Python nobody has chosen by name.
    assert facts.named_choices(config, None)["loss"] == "Hinge"


def test_the_summary_holds_last_and_best_with_their_kimg(run, stored):
    found, key = summary_of(stored), "small_frechet"
    points = [
        (r["images_seen"], r[f"metric/{key}"])
        for r in RunFolder(run).records()
        if f"metric/{key}" in r
    ]
    assert [images for images, _ in points] == [0, 32]
    assert (found[f"last/{key}"], found[f"last/{key}_kimg"]) == (points[-1][1], 0.032)
    assert (found[f"best/{key}"], found[f"best/{key}_kimg"]) == (points[-1][1], 0.032)


def test_the_best_is_of_the_newest_protocol_and_never_untrained():
    old, new = {"num_samples": 1}, {"num_samples": 2}
    values = [
        (0, 1.0, new),
        (1000, 2.0, old),
        (2000, 5.0, new),
        (3000, None, new),
        (4000, 6.0, new),
    ]
    records = [
        {"images_seen": images, "metric/fid": value, "metric/seconds": 1.0, "protocol": protocol}
        for images, value, protocol in values
    ]
    assert facts.standing([{"images_seen": 0}, *records]) == {
        "last/fid": 6.0, "last/fid_kimg": 4.0, "best/fid": 5.0, "best/fid_kimg": 2.0,
    }  # fmt: skip
    assert facts.standing(records[:1]) == {"last/fid": 1.0, "last/fid_kimg": 0.0}
    assert facts.standing([]) == {}


def test_the_view_shows_what_runs_really_record(stored):
    """Panels and columns of scripts/wandb_workspace.py and of docs/tracking.md, looked up in a real run."""
    logged, config = curves(stored), of_kind(stored, "run")[0]["config"]["update"]
    keys = {key for panels in view.CURVES.values() for panel in panels for key in panel}
    assert {key for key in keys if key not in ("metric/fid", "metric/kid")} <= logged.keys()
    assert {"samples.path", "curves.path", view.X} <= logged.keys()
    for column in view.COLUMNS:
        kind, _, key = column.partition(":")
        at = config if kind == "config" else summary_of(stored)
        for part in key.split("."):
            assert part in at, column
            at = at[part]
    page = (REPOSITORY / "docs" / "tracking.md").read_text()
    for key in re.findall(r"`((?:chosen|resolved)\.\w+)`", page):
        group, _, name = key.partition(".")
        assert name in config[group], key
    for key in re.findall(r"`((?:last|best)/small_\w+)`", page):
        assert key in summary_of(stored), key


def test_the_table_of_keys_is_true(run):
    """Each key of metrics.jsonl stands in docs/tracking.md, and each of those in a run."""
    page = (REPOSITORY / "docs" / "tracking.md").read_text()
    table = page[page.index("| key | what |") : page.index("Losses, logits and norms")]
    rows = [row.split("|")[1] for row in table.strip().splitlines()[2:]]
    named = [key for row in rows for key in re.findall(r"`([^`]+)`", row)]
    patterns = {
        key: re.escape(key).replace(r"<player>", r"\w+").replace(r"<term>", r"\w+") for key in named
    }
    patterns = {
        key: pattern.replace(r"metric/\.\.\.", r"metric/\w+") for key, pattern in patterns.items()
    }
    keys = {key for record in RunFolder(run).records() for key in record}
    keys -= {"iteration", "generator_updates", "images_seen"}
    assert not [key for key in keys if not any(re.fullmatch(p, key) for p in patterns.values())]
    absent = {key for key, p in patterns.items() if not any(re.fullmatch(p, one) for one in keys)}
    assert absent <= {"memory/peak_gb"}


def test_the_view_is_one_that_wandb_takes():
    pytest.importorskip("wandb_workspaces")
    made = view.workspace("entity", "gan_lab")
    panels = [panel for section in made.sections for panel in section.panels]
    assert len(made.sections) == len(view.CURVES) + 1
    assert {panel.x for panel in panels if hasattr(panel, "x")} == {view.X}
    assert "config:chosen.model" in made._to_model().model_dump_json()


def test_nothing_private_is_recorded(run, stored):
    (start,) = of_kind(stored, "run")
    assert socket.gethostname() not in str(start.get("host"))
    names = {path.name for path in (run / "wandb").rglob("*") if path.is_file()}
    assert not names & {"requirements.txt", "output.log", "wandb-metadata.json"}


def test_a_resumed_run_keeps_its_id(run, tmp_path):
    run = shutil.copytree(run, tmp_path / "one", symlinks=True)
    wandb_id = load_checkpoint(run / "checkpoints" / "last.ckpt")["identity"]["wandb_id"]
    assert main([f"resume={run}", "max_rounds=6"]) == 0
    runs = sorted((run / "wandb").glob("offline-run-*"))
    assert len(runs) == 2
    for folder in runs:
        (file,) = folder.glob("*.wandb")
        found = read(file)
        (start,) = of_kind(found, "run")
        assert start["run_id"] == wandb_id
        assert start["resume"] is True
    assert [x for x, _ in curves(found)["loss/generator"]] == [48]


def test_jobs_of_a_multirun_are_runs_of_their_own(tmp_path, capsys):
    """Three jobs, the second diverges: three ids in one group, each closed with its own exit code."""
    rates = "optimizer.discriminator.lr=1e-4,1e30,2e-4"
    sweep = tmp_path / "sweep"
    assert main(["-m", *TINY, "logger=wandb", rates, f"hydra.sweep.dir={sweep}"]) == 1
    assert "training has diverged" in capsys.readouterr().err
    jobs = [records(sweep / str(job)) for job in range(3)]
    starts = [of_kind(one, "run")[0] for one in jobs]
    assert len({one["run_id"] for one in starts}) == 3
    assert {one["run_group"] for one in starts} == {"sweep"}
    assert [one["display_name"].partition("=")[2] for one in starts] == [
        "0.0001",
        "1e+30",
        "0.0002",
    ]
    assert [of_kind(one, "exit")[0].get("exit_code", 0) for one in jobs] == [0, 1, 0]
    for one in jobs:
        assert curves(one)["metric/small_frechet"][0][0] == 0
    assert [x for x, _ in curves(jobs[2])["loss/generator"]] == [16, 32]


def test_no_wandb_is_needed_without_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb", None)  # importing it now fails
    assert main([*TINY, "logger=none", f"hydra.run.dir={tmp_path / 'none'}"]) == 0
    assert main([*TINY, "logger=wandb", f"hydra.run.dir={tmp_path / 'wandb'}"]) == 2
    said = capsys.readouterr().err
    assert "the package wandb is not installed; install it or set logger=none" in said
    assert "Traceback" not in said


def test_online_without_a_login_is_a_sentence(tmp_path, capsys):
    command = [*TINY, "logger=wandb", "logger.mode=online", f"hydra.run.dir={tmp_path}"]
    assert main(command) == 2
    assert "you are not logged in to W&B; run `wandb login`" in capsys.readouterr().err


class Service:
    """Stands for the package wandb with a login, whose service is out of reach."""

    class Error(Exception):
        """What wandb raises."""

    class UsageError(Error):
        """What it raises where the caller is wrong."""

    def __init__(self, logged_in=True):
        self.errors = SimpleNamespace(Error=self.Error, UsageError=self.UsageError)
        self.logged_in = logged_in
        self.modes = []

    def login(self, **_):
        return self.logged_in

    def init(self, mode):
        self.modes.append(mode)
        if mode == "online":
            raise self.Error("Timed out.\nConsider more time.")
        return mode


def test_auto_records_offline_where_the_service_is_out_of_reach(caplog):
    service = Service()
    with caplog.at_level("INFO", logger="gan_lab"):
        assert tracker._start(service, "auto", {}) == "offline"
    assert service.modes == ["online", "offline"]
    assert "W&B cannot be reached (Timed out); this run is recorded offline." in caplog.text
    with pytest.raises(ConfigError, match=r"logger\.mode=online: W&B cannot be reached"):
        tracker._start(service, "online", {})


@pytest.mark.parametrize(
    ("mode", "variable", "started"),
    [
        ("auto", None, "offline"),
        ("auto", "offline", "offline"),
        ("auto", "disabled", "disabled"),
        ("auto", "OFFLINE", "offline"),
        ("auto", "DryRun", "offline"),
        ("offline", "online", "offline"),
    ],
)
def test_mode(mode, variable, started, monkeypatch):
    if variable:
        monkeypatch.setenv("WANDB_MODE", variable)
    service = Service(logged_in=False)
    assert tracker._start(service, mode, {}) == started


VARIABLES = {
    "WANDB_RUN_ID": "chosen1",
    "WANDB_PROJECT": "a-paper",
    "WANDB_ENTITY": "a-team",
    "WANDB_NAME": "a name",
    "WANDB_RUN_GROUP": "a group",
    "WANDB_TAGS": "red,green",
    "WANDB_MODE": "OFFLINE",
}


def asked_for(folder):
    """What the first record of a run folder's only W&B run says about it."""
    (start,) = of_kind(records(folder), "run")
    return start


def stored_id(folder):
    return load_checkpoint(folder / "checkpoints" / "last.ckpt")["identity"]["wandb_id"]


def test_wandbs_own_variables_are_heard(tmp_path, monkeypatch):
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "one"
    assert main([*QUICK, "logger=wandb", f"hydra.run.dir={folder}"]) == 0
    start = asked_for(folder)
    assert start["run_id"] == "chosen1"
    assert start["project"] == "a-paper"
    assert start["entity"] == "a-team"
    assert start["display_name"] == "a name"
    assert start["run_group"] == "a group"
    assert start["tags"] == ["red", "green"]
    assert stored_id(folder) == "chosen1"
    # A resumed run goes on as that one, also where the variable is gone.
    monkeypatch.delenv("WANDB_RUN_ID")
    assert main([f"resume={folder}", "max_rounds=6"]) == 0
    runs = sorted((folder / "wandb").glob("offline-run-*/*.wandb"))
    assert [file.name for file in runs] == ["run-chosen1.wandb"] * 2


def test_an_option_that_the_user_set_wins(tmp_path, monkeypatch):
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    given = {"project": "p", "entity": "e", "name": "n", "group": "g", "tags": "[t]"}
    options = [f"logger.wandb.{key}={value}" for key, value in given.items()]
    command = [*QUICK, "logger=wandb", "logger.mode=offline", *options]
    assert main([*command, f"hydra.run.dir={tmp_path / 'one'}"]) == 0
    start = asked_for(tmp_path / "one")
    assert (start["project"], start["entity"], start["display_name"]) == ("p", "e", "n")
    assert (start["run_group"], start["tags"]) == ("g", ["t"])


def test_an_id_for_all_jobs_of_a_multirun_would_make_them_one(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_RUN_ID", "chosen1")
    sweep = tmp_path / "sweep"
    command = ["-m", *QUICK, "logger=wandb", "seed=1,2", f"hydra.sweep.dir={sweep}"]
    assert main(command) == 0
    ids = {asked_for(sweep / str(job))["run_id"] for job in range(2)}
    assert len(ids) == 2
    assert "chosen1" not in ids
    assert "WANDB_RUN_ID is not used" in capsys.readouterr().err


def test_a_trial_of_a_wandb_sweep_is_the_agents_run(tmp_path):
    """As an agent of `wandb sweep` starts it: by variables, with its parameters in a file."""
    parameters = tmp_path / "parameters.yaml"
    parameters.write_text("wandb_version: 1\nseed:\n  value: 3\n")
    variables = {
        "WANDB_SWEEP_ID": "sweep7", "WANDB_RUN_ID": "trial5", "WANDB_PROJECT": "swept", "WANDB_ENTITY": "a-team",
        "WANDB_SWEEP_PARAM_PATH": str(parameters), "WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path / "agent"),
    }  # fmt: skip
    folder = tmp_path / "one"
    command = [*QUICK, "logger=wandb", "seed=3", f"hydra.run.dir={folder}"]
    subprocess.run(
        [sys.executable, "-m", "gan_lab.train", *command],
        env={**os.environ, **variables},
        check=True,
    )
    start = asked_for(folder)
    assert (start["run_id"], start["sweep_id"], start["project"]) == ("trial5", "sweep7", "swept")
    assert start["entity"] == "a-team"
    assert start["config"]["update"]["seed"] == 3
    assert stored_id(folder) == "trial5"


@pytest.mark.parametrize(
    ("options", "variables", "said"),
    [
        (["logger.wandb.project=me/paper"], {}, "logger.wandb.project=me/paper: W&B refuses it (Inv"),
        ([], {"WANDB_PROJECT": "me/paper"}, "WANDB_PROJECT=me/paper: W&B refuses it (Invalid project"),
        ([f"logger.wandb.tags=[{'x' * 65}]"], {}, "is 65 characters. Tags must be between 1 and 64"),
        ([], {"WANDB_TAGS": "a,,b"}, "WANDB_TAGS=a,,b: W&B refuses it (Tag at index 1 is empty"),
        ([], {"WANDB_RUN_ID": "a/b"}, "WANDB_RUN_ID=a/b: W&B refuses it (Run ID cannot contain"),
        ([], {"WANDB_MODE": "silly"}, "WANDB_MODE=silly: W&B refuses it (Input should be 'online'"),
        ([], {"WANDB_RESUME": "no"}, "WANDB_RESUME=no: W&B refuses it (Input should be"),
        ([f"logger.wandb.name={'n' * 129}"], {}, "logger.wandb.name: W&B takes at most 128 characters"),
    ],
)  # fmt: skip
def test_what_wandb_refuses_is_a_sentence_before_training(
    options, variables, said, tmp_path, monkeypatch, capsys
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    command = [*TINY, "logger=wandb", *options, f"hydra.run.dir={tmp_path / 'one'}"]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert "Parameters" not in error
    assert not (tmp_path / "one" / "metrics.jsonl").exists()


def test_any_other_variable_that_wandb_refuses_is_a_sentence_too(tmp_path):
    """W&B reads its variables once per process, so this needs one of its own."""
    variables = {**os.environ, "WANDB_BASE_URL": "not an address"}
    command = [*TINY, "logger=wandb", f"hydra.run.dir={tmp_path / 'one'}"]
    done = subprocess.run(
        [sys.executable, "-m", "gan_lab.train", *command],
        env=variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert "logger=wandb: W&B refuses its environment" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_tracker_says_what_wandb_received(tmp_path):
    folder = RunFolder(tmp_path)
    one = tracker.WandbTracker(folder=folder, identity={}, config={}, mode="offline")
    try:
        now = Clock(iteration=1, generator_updates=1, images_seen=8)
        assert not one.received({"loss/generator": 1.0}, now)
        one.record({"loss/generator": 1.0}, now)
        assert one.received({"loss/generator": 1.0}, now)
        assert not one.received({"loss/discriminator": 1.0}, now)
        assert not one.received({"loss/generator": 1.0}, replace(now, images_seen=16))
    finally:
        one.close(0)


def test_a_full_disk_is_told_and_not_swallowed(tmp_path, monkeypatch):
    """W&B's process drops what it cannot write, without a word to ours."""
    folder = RunFolder(tmp_path)
    one = tracker.WandbTracker(folder=folder, identity={}, config={}, mode="offline")
    now = Clock(iteration=1, generator_updates=1, images_seen=8)
    try:
        with monkeypatch.context() as full:
            full.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
            with pytest.raises(OSError, match="No space left on device"):
                one.record({"loss/generator": 1.0}, now)
        assert not one.received({"loss/generator": 1.0}, now)
        one.record({"loss/generator": 2.0}, now)
        assert one.received({"loss/generator": 2.0}, now)
        # On the disk, not only in W&B's process: a kill may follow.
        assert b"loss/generator" in Path(one.run.settings.sync_file).read_bytes()
    finally:
        one.close(0)


def test_a_disabled_run_keeps_the_id_of_before(run, tmp_path, monkeypatch):
    run = shutil.copytree(run, tmp_path / "one", symlinks=True)
    before = stored_id(run)
    monkeypatch.setenv("WANDB_MODE", "Disabled")
    assert main([f"resume={run}", "max_rounds=6"]) == 0
    assert stored_id(run) == before


def test_only_one_file_imports_wandb():
    package = Path(tracker.__file__).parent.parent
    importing = [
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        if "import wandb" in file.read_text() or "from wandb" in file.read_text()
    ]
    assert importing == [str(Path("loggers", "wandb.py"))]
