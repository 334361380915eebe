"""--help and --list: a command's own options with a line each, and every choice with the sentence of its file."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gan_lab import cli, evaluate, sample, train
from gan_lab.config.groups import CONF, Groups
from gan_lab.config.help import chosen_in, options_of, page, summary
from tests.conftest import REPOSITORY

ROOTS = sorted(path.stem for path in Path(CONF).glob("*.yaml"))


@pytest.mark.parametrize("root", ROOTS)
def test_every_option_has_a_line(root):
    """The comment behind it in conf/ is the line; without one, --help would show a bare name."""
    options = list(options_of(Path(CONF) / f"{root}.yaml"))
    assert options
    assert [one.path for one in options if len(one.comment) < 4] == []
    shown = page(root)
    for one in options:
        assert re.search(rf"^  {re.escape(f'{one.path}={one.default}')} +\S", shown, re.MULTILINE)


@pytest.mark.parametrize("root", ROOTS)
def test_a_page_says_how_the_command_is_called_and_what_it_does(root):
    first, second, *_ = page(root).splitlines()
    assert first.startswith(f"python -m gan_lab.{root}")
    assert re.fullmatch(r"[A-Z].+\.", second)


def test_a_command_shows_its_own_options_only(capsys):
    assert sample.main(["--help"]) == 0
    said = capsys.readouterr().out
    assert "num=64" in said
    assert "generator" not in re.sub(r"(trained|raw) generator", "", said)
    assert "model" not in said
    assert evaluate.main(["--help"]) == 0
    said = capsys.readouterr().out
    assert "metrics.small.num_samples=2000" in said
    assert re.search(r"^  metrics +small, accuracy", said, re.MULTILINE)
    assert "optimizer" not in said


def test_training_shows_what_can_be_chosen(capsys):
    assert train.main(["--help"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^  model +dcgan, .*wgan_gp", said, re.MULTILINE)
    assert re.search(r"^  penalty +\(nothing\), .*several as penalty=\[", said, re.MULTILINE)
    assert "max_kimg=200" in said


def test_the_list_has_every_choice_with_its_sentence(capsys):
    assert train.main(["--list"]) == 0
    said = capsys.readouterr().out
    for name in chosen_in("train"):
        group = name.partition("@")[0]
        assert f"\n{group}\n" in f"\n{said}"
        for choice in Groups().choices(group):
            what = summary(Groups().file(group, choice))
            assert len(what) > 10
            assert re.search(rf"^  {choice} +{re.escape(what)}$", said, re.MULTILINE), (
                group,
                choice,
            )
    assert said.index("\nmodel\n" if not said.startswith("model") else "model") < said.index(
        "\nlatent\n"
    )


def test_the_list_has_choices_of_the_users_own(tmp_path, capsys):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text(
        "# @package _global_\n# My own. And more.\nseed: 1\n"
    )
    assert train.main(["--list", "--config-dir", str(tmp_path)]) == 0
    assert re.search(r"^  mine +My own$", capsys.readouterr().out, re.MULTILINE)


def test_the_list_is_there_at_once():
    """Well under a second as a whole process: no torch, no composing."""
    code = (
        "import sys, time; start = time.process_time(); from gan_lab.train import main; "
        "assert main(['--list']) == 0; seconds = time.process_time() - start; "
        "assert 'torch' not in sys.modules; print(seconds)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert float(done.stdout.split()[-1]) < 1


def test_both_ways_to_start_find_packages_of_the_working_folder(tmp_path):
    """The class is found and looked at: it is refused for what it is, not for being out of reach."""
    (tmp_path / "mine.py").write_text("class Odd:\n    pass\n")
    script = tmp_path / "elsewhere" / "gan-lab"
    script.parent.mkdir()
    script.write_text(
        f"import sys\nsys.path[:0] = [{str(REPOSITORY)!r}]\nfrom gan_lab.cli import main\nsys.exit(main())\n"
    )
    options = ["train", "loss._target_=mine.Odd", "allow_targets=[mine.]", "debug=tiny"]
    done = subprocess.run(
        [sys.executable, str(script), *options], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.strip().endswith("loss._target_=mine.Odd: must be a Loss.")


def test_the_working_folder_comes_first_and_once(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    cli.find_own_packages()
    assert sys.path[0] == str(tmp_path)
    cli.find_own_packages()
    assert sys.path.count(str(tmp_path)) == 1
