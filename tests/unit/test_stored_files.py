"""What the files of a run may say, who may allow what, what leads out of a folder, and who made a run."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

import pytest
import yaml
from platformdirs import user_state_path

from gan_lab.common.errors import CheckpointError, ConfigError
from gan_lab.config.permission import VARIABLE, allowed_targets, guard_environment
from gan_lab.config.stored import (
    MOST_BYTES,
    MOST_VALUES,
    refuse_outside,
    refuse_outside_overrides,
    replayable,
    stored_command,
    stored_config,
)
from gan_lab.storage.links import refuse_ways_out
from gan_lab.storage.origin import KEY_BYTES, made_here, seal
from gan_lab.storage.run_folder import RunFolder


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A folder with the two files of options, in an account of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "account"))
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.config.write_text("seed: 1\nallow_targets: [os.]\n")
    folder.overrides.write_text(yaml.safe_dump({"overrides": ["seed=1"], "flags": []}))
    return folder


def asked(run, *overrides):
    run.overrides.write_text(yaml.safe_dump({"overrides": list(overrides)}))
    return run


def key_file() -> Path:
    return Path(user_state_path("gan_lab", appauthor=False)) / "seal.key"


def test_tests_have_an_account_of_their_own(session_cache):
    """No test may make or use the key of the person who runs it."""
    assert Path(os.environ["XDG_STATE_HOME"]).is_relative_to(session_cache)
    assert VARIABLE not in os.environ


def test_a_stored_configuration_is_plain_and_permits_nothing(run):
    run.config.write_text("name: ${oc.env:HOME}\nallow_targets: [os.]\n")
    assert stored_config(run) == {"name": "${oc.env:HOME}", "allow_targets": []}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[1, 2]", "is no configuration of a run"),
        (b"a: [", "cannot be read"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"1: 2", "a name of an option is no text"),
        (b"a: &a [*a]", "cannot be read"),
        (b"a: {x: 1}\nb: {<<: {y: 1}}", "merge key"),
        (b"[" * 5000, "cannot be read"),
        (b"a: [" + b"0," * (MOST_VALUES + 1) + b"]", "too many values"),
        (b"a: " + b"x" * MOST_BYTES, "too large"),
    ],
)
def test_what_is_no_configuration(run, content, words):
    run.config.write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        stored_config(run)


def test_a_missing_command_line_is_empty(run):
    run.overrides.unlink()
    assert stored_command(run) == {"overrides": [], "flags": [], "choices": {}}


@pytest.mark.parametrize(
    "content", ["[]", "overrides: 3", "overrides: [1]", "flags: {}", "choices: []"]
)
def test_a_damaged_command_line(run, content):
    run.overrides.write_text(content)
    with pytest.raises(ConfigError, match=r"is damaged|is no command line"):
        stored_command(run)


def test_what_is_given_again_or_personal_is_not_replayed(run):
    asked(
        run,
        "seed=1",
        "allow_targets=[os.]",
        "resume=x",
        "+loss@allow_targets=hinge",
        "logger.wandb.resume=must",
    )
    assert replayable(run, ["seed"]) == ["logger.wandb.resume=must"]


@pytest.mark.parametrize(
    "override",
    [
        "hydra.run.dir=x", "+hydra.callbacks.x=1", "hydra/launcher=joblib", "+experiment@hydra=x", "~hydra.run",
        "++hydra.job.env_set.A=1", "loss@_global_=hinge", "x@a.hydra=y",
    ],
)  # fmt: skip
def test_hydra_itself_is_out_of_reach(run, override):
    with pytest.raises(ConfigError, match="would change Hydra itself"):
        replayable(asked(run, override), [])


@pytest.mark.parametrize(
    "override",
    [
        "a=${oc.env:HOME}",
        "a='${oc.env:HOME}'",
        r"a=$\{oc.env:HOME\}",
        r"a=[1,$\{b\}]",
        r"a={b: {c: $\{d\}}}",
    ],
)
def test_no_way_of_writing_an_interpolation_passes(run, override):
    with pytest.raises(ConfigError, match="give a= again"):
        replayable(asked(run, override), [])


def test_what_is_no_option_is_told(run):
    with pytest.raises(ConfigError, match="is no option"):
        replayable(asked(run, "a=[1"), [])


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("data.root", "/elsewhere"), ("data.root", "photos"), ("data.root", "~/photos"), ("data.root", "../photos"),
        ("data.root", "C:\\photos"), ("metrics.weights", "w.pth"), ("my.option", "/elsewhere"), ("my.option", "s3://x"),
        ("my.option", "a/../../b"), ("--config-dir", "conf"),
    ],
)  # fmt: skip
def test_paths_out_of_the_folder(run, option, value):
    with pytest.raises(ConfigError) as error:
        refuse_outside(run, {option: value}, ())
    assert f"add {shlex.quote(f'{option}={value}')} if you want that" in str(error.value)
    refuse_outside(run, {option: value}, [option])


def test_paths_inside_the_folder_and_plain_texts_pass(run):
    refuse_outside(run, {"data": {"root": str(run.path / "photos"), "split": "train"}, "n": 3}, ())
    refuse_outside_overrides(run, ["model=dcgan", "~penalty", "a=[x,y]", "data.batch_size=8"])


@pytest.mark.parametrize("flag", ["conf", "inside"])
def test_configurations_inside_the_folder_are_a_strangers_too(run, flag):
    place = "conf" if flag == "conf" else str(run.path / "conf")
    with pytest.raises(ConfigError, match="add --config-dir="):
        refuse_outside(run, {"--config-dir": place}, ())


def test_a_choice_may_not_climb_even_into_the_folder(run):
    climbing = "../" * 30 + str(run.path).lstrip("/")
    with pytest.raises(ConfigError, match="experiment lies outside"):
        refuse_outside_overrides(run, [f"experiment={climbing}"])


def test_permission_is_given_now_or_by_the_variable(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert allowed_targets(None) == []
    assert allowed_targets(["my_lab."]) == ["my_lab."]
    monkeypatch.setenv(VARIABLE, " their_lab. , ,.")
    assert allowed_targets(["my_lab."]) == ["my_lab.", "their_lab."]


@pytest.mark.parametrize("prefix", ["", " ", ".", ". ."])
def test_an_empty_name_would_allow_everything(prefix):
    with pytest.raises(ConfigError, match="would allow everything"):
        allowed_targets([prefix])


@pytest.mark.parametrize(
    "name", ["WANDB_API_KEY", "gh_token", "MY_PASSWORD", "AWS_SECRET_ACCESS", "SSH_AUTH_SOCK"]
)
def test_secrets_of_the_environment_are_refused(name, monkeypatch):
    from omegaconf import OmegaConf

    monkeypatch.setenv(name, "the value")
    monkeypatch.setenv("GAN_LAB_PLAIN", "a plain value")
    guard_environment()
    config = OmegaConf.create(
        {"a": f"${{oc.env:{name}}}", "b": "${oc.env:GAN_LAB_PLAIN}", "c": "${oc.env:NONE,7}"}
    )
    with pytest.raises(Exception, match="looks like a secret") as error:
        _ = config.a
    assert "the value" not in str(error.value)
    assert (config.b, config.c) == ("a plain value", "7")


def test_links_inside_the_folder_pass(run):
    (run.path / "link").symlink_to(run.config)
    (run.path / "relative").symlink_to("config.yaml")
    (run.path / "dangling").symlink_to("nothing")
    refuse_ways_out(run.path)
    refuse_ways_out(run.path / "missing")


@pytest.mark.parametrize("target", ["..", "../other", "/", "/nothing/there"])
def test_links_out_of_the_folder(run, target):
    (run.path / "deep" / "deeper").mkdir(parents=True)
    (run.path / "deep" / "deeper" / "link").symlink_to(
        f"../../{target}" if target[0] == "." else target
    )
    with pytest.raises(
        CheckpointError, match=r"deeper/link: this link leads out of the run folder"
    ):
        refuse_ways_out(run.path)


def test_a_link_to_the_whole_folder_is_the_persons_own(run, tmp_path):
    (tmp_path / "short").symlink_to(run.path)
    assert RunFolder.existing(tmp_path / "short").path == tmp_path / "short"


def test_a_pipe(run):
    os.mkfifo(run.path / "pipe")
    with pytest.raises(CheckpointError, match="neither a file nor a folder"):
        refuse_ways_out(run.path)


def test_ones_own_run(run):
    assert not made_here(run)
    seal(run)
    assert made_here(run)
    key = key_file()
    assert len(key.read_bytes()) == KEY_BYTES
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["config", "overrides"])
def test_a_change_by_hand_breaks_the_seal(run, name):
    seal(run)
    file = getattr(run, name)
    file.write_text(file.read_text() + "\n")
    assert not made_here(run)


def test_a_moved_run_stays_ones_own_and_anothers_is_not(run, tmp_path, monkeypatch):
    seal(run)
    run.path.rename(tmp_path / "moved")
    assert made_here(RunFolder(tmp_path / "moved"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    assert not made_here(RunFolder(tmp_path / "moved")), "this account has no key"
    (tmp_path / "run-of-another").mkdir()
    seal(RunFolder(tmp_path / "run-of-another"))
    assert not made_here(RunFolder(tmp_path / "moved")), "and with a key, not this one"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"0" * 64, "é".encode()])
def test_a_forged_seal(run, content):
    seal(run)
    run.seal.write_bytes(content)
    assert not made_here(run)


def test_without_its_key_no_run_is_ones_own(run):
    seal(run)
    key = key_file()
    key.write_bytes(b"short")
    assert not made_here(run)
    key.unlink()
    assert not made_here(run)
    assert not key.exists(), "asking makes no key"
