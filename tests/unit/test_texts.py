"""What is printed: commands that a shell takes as they stand, and texts of strangers that steer no terminal."""

from __future__ import annotations

import json
import logging
import shlex

import pytest
import yaml

from gan_lab.common.commands import command, option
from gan_lab.common.texts import printable
from gan_lab.compare import main as compare
from gan_lab.process.console import Conversation
from gan_lab.run.sweeps import go_on, repeat
from gan_lab.storage.run_folder import RunFolder
from gan_lab.train import main
from tests.run_records import write_run

AWKWARD = ["my runs/1", "a'b", "[1]", "$HOME", "a;b", "é", "a=b", "*"]
STEERING = "\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202egnp.exe\x00"


@pytest.mark.parametrize("name", AWKWARD)
def test_a_shell_reads_a_command_as_it_was_meant(name):
    assert shlex.split(command("sample", f"run={name}", "num=4")) == [
        "python", "-m", "gan_lab.sample", f"run={name}", "num=4",
    ]  # fmt: skip
    assert shlex.split(option("resume", name)) == [f"resume={name}"]


def test_plain_ones_are_shown_plainly():
    assert command("train", "resume=outputs/1") == "python -m gan_lab.train resume=outputs/1"


def test_commands_of_a_run_are_quoted(tmp_path):
    run = RunFolder(tmp_path / "my run")
    run.path.mkdir()
    run.config.write_text("max_rounds: 5\n")
    run.overrides.write_text(
        yaml.safe_dump({"overrides": ["data.root=/my photos", "penalty=[r1]"], "flags": []})
    )
    assert shlex.split(repeat(run))[3:] == ["data.root=/my photos", "penalty=[r1]"]
    assert shlex.split(go_on(run))[3:] == [f"resume={run.path}", "max_rounds=10"]


def test_what_steers_a_terminal_is_written_out():
    shown = printable(f"a\tb\n{STEERING}é 漢 🙂")
    assert shown == "a\tb\n\\x1b]0;owned\\x07\\x1b[2J\\r\\x9b31m\\u202egnp.exe\\x00é 漢 🙂"
    assert printable("\udcff") == "\\udcff"


def steers(text: str) -> bool:
    return any(letter in text for letter in "\x1b\x07\r\x9b\u202e\x00")


def test_a_strangers_texts_reach_the_terminal_harmless(tmp_path, capsys):
    runs = [
        write_run(tmp_path / str(n), metrics=[9, 8], overrides=[f"model=gan{n}", f"x={STEERING}"], choices={},
                  config={"seed": n}, status={"state": f"failed{STEERING}", "reason": STEERING})
        for n in range(2)
    ]  # fmt: skip
    assert compare([str(run.path) for run in runs]) == 0
    told = capsys.readouterr()
    assert "owned" in told.out
    assert not steers(told.out + told.err)


def test_so_do_sentences_about_their_files(tmp_path, capsys):
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.config.write_text(
        json.dumps({"generator": {"_target_": f"a{STEERING}.b"}, "data": {"root": STEERING}})
    )
    assert main([f"resume={run.path}"]) == 2
    said = capsys.readouterr().err
    assert "owned" in said
    assert len(said.strip().splitlines()) == 1
    assert not steers(said)


def test_so_does_the_log(tmp_path, capsys):
    with Conversation() as conversation:
        logging.getLogger("gan_lab.test").info(f"early {STEERING}")
        conversation.keep_in(tmp_path / "train.log")
        logging.getLogger("gan_lab.test").info(f"late {STEERING}")
    log = (tmp_path / "train.log").read_bytes().decode()
    assert "early" in log
    assert "late" in log
    assert not steers(log + capsys.readouterr().err)


def test_a_checkpoint_that_is_left_is_named_for_the_shell(tmp_path, capsys):
    run = RunFolder(tmp_path / "my run")
    run.checkpoints.mkdir(parents=True)
    (run.checkpoints / "best.ckpt").write_bytes(b"x")
    assert main(["debug=tiny", "logger=none", f"hydra.run.dir={run.path}"]) == 2
    assert f"'resume={run.checkpoints}/best.ckpt' goes on from there" in capsys.readouterr().err
