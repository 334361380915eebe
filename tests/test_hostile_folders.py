"""Run folders from a stranger: nothing of theirs runs, nothing outside them is read or written, one sentence each."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from gan_lab import compare, evaluate, export, load, sample
from gan_lab.common.errors import GanLabError
from gan_lab.storage.run_folder import RunFolder
from gan_lab.train import main
from tests.hostile_folders import (
    ALL,
    COMMAND_LINES,
    FOLDERS,
    LOADING,
    SECRET,
    Runs,
    with_conf,
)

TINY = ["debug=tiny", "logger=none", "metrics=none", "samples.num=4"]
SCORE = ["metrics.num_samples=4", "metrics.num_reals=4"]
LONG_AGO = 1_000_000_000


class Watch:
    """What this process opens, lists, changes and starts, as the interpreter itself tells it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] | None = None
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.seen is not None and event.startswith(("open", "os.", "shutil.", "subprocess.")):
            self.seen.append((event, arguments))

    def below(self, place: Path) -> list[tuple[str, Any]]:
        """Events that name something below a place, links followed."""
        return [
            (event, arguments)
            for event, arguments in self.seen or ()
            for one in arguments
            if isinstance(one, str | bytes | Path)
            and Path(os.path.realpath(os.fsdecode(one))).is_relative_to(place)
        ]

    def started(self) -> list[tuple[str, Any]]:
        """Programs that were started, but for git, which tells the version of gan_lab."""
        names = ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen")
        return [
            one
            for one in self.seen or ()
            if one[0] in names and Path(str(one[1][0])).name not in ("git", "uname")
        ]


WATCH = Watch()


@pytest.fixture
def watch():
    WATCH.seen = []
    yield WATCH
    WATCH.seen = None


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A real run of one round, and the key that seals it taken away: to this account it is a stranger's."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert main([*TINY, "max_rounds=1", f"hydra.run.dir={folder}"]) == 0
    (folder / ".seal").unlink()
    return folder


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """What lies around a stranger's folder: images, a pickle, a configuration with code, and a secret."""
    place = tmp_path.resolve() / "outside"
    (place / "photos").mkdir(parents=True)
    for index in range(12):
        Image.new("L", (32, 32), index).save(place / "photos" / f"{index}.png")
    (place / "kept.txt").write_text("kept\n")
    (place / "pickle").write_bytes(pickle.dumps(Runs(place / "unpickled"), protocol=2))
    with_conf(lambda run, outside: None)(RunFolder(place), place)
    for path in place.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO + 1))  # read once, its time of access is now
    monkeypatch.setenv("GAN_LAB_SECRET", SECRET)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return place


def state_of(folder: Path) -> dict[str, Any]:
    """Names, times and contents of everything below a folder; reading it here leaves no trace."""
    found = {}
    for path in sorted(folder.rglob("*")):
        about = path.stat()
        times = (about.st_atime_ns if path.is_file() else 0, about.st_mtime_ns)
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
        found[str(path.relative_to(folder))] = (*times, content)
    return found


COMMANDS = {
    "sample": lambda folder: sample.main([f"run={folder}", "num=1"]),
    "evaluate": lambda folder: evaluate.main([f"run={folder}", *SCORE]),
    "export": lambda folder: export.main([f"run={folder}", "format=torch"]),
    "resume": lambda folder: main([f"resume={folder}", "max_rounds=2"]),
    "auto": lambda folder: main([*TINY, "max_rounds=2", "resume=auto", f"hydra.run.dir={folder}"]),
    "compare": lambda folder: compare.main([str(folder)]),
}


def attempt(command: str, folder: Path, capsys: Any) -> tuple[int, str]:
    """The exit code of a command on the folder and what it says."""
    capsys.readouterr()
    if command == "load":
        try:
            load(folder)
        except GanLabError as error:
            return error.exit_code, str(error)
        return 0, ""
    code = COMMANDS[command](folder)
    return code, capsys.readouterr().err.strip()


def the_sentence(said: str) -> str:
    """The one sentence of an error; what a run says at its start is none."""
    assert "Traceback" not in said
    notes = ("Run folder", "On the", "Warning")
    lines = [line for line in said.splitlines() if not line.startswith(notes)]
    assert len(lines) == 1, said
    return lines[0]


CASES = [
    pytest.param(name, command, id=f"{name}-{command}")
    for name, hostile in FOLDERS.items()
    for command in ALL
    if command in (*hostile.refused_by, *hostile.ignored_by)
]


@pytest.mark.parametrize(("name", "command"), CASES)
def test_a_hostile_folder(name, command, trained, outside, tmp_path, capsys, watch):
    """It ends in one sentence; where the command does not read what was changed, it works as ever."""
    hostile = FOLDERS[name]
    folder = tmp_path / "stranger"
    shutil.copytree(trained, folder)
    hostile.change(RunFolder(folder), outside)
    before = state_of(outside), state_of(tmp_path / "work")
    watch.seen = []
    code, said = attempt(command, folder, capsys)
    assert not watch.below(outside), "something outside was read"
    assert not watch.started(), "something ran"
    assert state_of(outside) == before[0], "something outside was read or written"
    assert state_of(tmp_path / "work") == before[1], "something was left behind"
    if command in hostile.refused_by:
        assert code in (1, 2), said
        assert any(words in the_sentence(said) for words in hostile.words), said
    else:
        assert code == 0, f"what this command does not read does not matter to it: {said}"
    assert SECRET not in said
    files = [p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()]
    assert not [p for p in files if SECRET in p.read_text(errors="ignore")]
    assert not list(tmp_path.rglob("escaped.txt"))


def test_there_are_a_dozen_for_each_command():
    for command in ALL:
        assert sum(name_of == command for _, name_of in (one.values for one in CASES)) >= 12


def test_the_watch_sees_what_is_done(outside, watch):
    """Without this, all tests above could be blind."""
    watch.seen = []
    (outside / "kept.txt").read_text()
    list((outside / "photos").iterdir())
    os.system("true")
    assert [event for event, _ in watch.below(outside)] == ["open", "os.listdir"]
    assert [event for event, _ in watch.started()] == ["os.system"]


@pytest.mark.parametrize("command", [*LOADING, "auto", "compare"])
def test_a_stored_command_line_is_replayed_by_resume_alone(
    command, trained, outside, tmp_path, capsys, watch
):
    """All hostile command lines at once are nothing to the commands that do not replay them."""
    folder = tmp_path / "stranger"
    shutil.copytree(trained, folder)
    for hostile in COMMAND_LINES.values():
        if not (folder / "conf").exists():
            hostile.change(RunFolder(folder), outside)
    before = state_of(outside)
    watch.seen = []
    assert attempt(command, folder, capsys)[0] == 0
    assert not watch.below(outside)
    assert not watch.started()
    assert state_of(outside) == before


def test_the_picture_of_a_comparison_takes_the_place_of_a_link(trained, outside, tmp_path, capsys):
    """The folder that holds several runs may hold a link of the name that a comparison writes."""
    for name in ("a", "b"):
        shutil.copytree(trained, tmp_path / "runs" / name)
    picture = tmp_path / "runs" / "compare.png"
    picture.symlink_to(outside / "kept.txt")
    assert attempt("compare", tmp_path / "runs", capsys)[0] == 0
    assert (outside / "kept.txt").read_text() == "kept\n"
    assert not picture.is_symlink()


def bomb(place: Path) -> Path:
    """An archive of pictures of which some would land elsewhere, were it unpacked."""
    with zipfile.ZipFile(place / "photos.zip", "w") as archive:
        for index, file in enumerate(sorted((place / "photos").iterdir())):
            archive.write(file, f"{index}.png")
            archive.write(file, f"{'../' * (1 + index % 4)}{index}.png")
        archive.write(place / "photos" / "0.png", f"{place}/absolute.png")
    return place / "photos.zip"


@pytest.mark.parametrize("command", ["evaluate", "resume"])
def test_an_archive_with_ways_out_is_never_unpacked(command, outside, tmp_path, capsys, watch):
    """Its pictures are read in memory: nothing is written beside it, whatever its members are called."""
    archive = bomb(outside)
    folder = tmp_path / "mine"
    line = ["data=image_folder", f"data.root={archive}", "data.resolution=32", "data.channels=1"]
    before = {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()}
    cache = Path(os.environ["GAN_LAB_CACHE"])
    assert main([*TINY, "max_rounds=1", *line, f"hydra.run.dir={folder}"]) == 0
    assert attempt(command, folder, capsys)[0] == 0
    assert {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()} == before
    for place in (tmp_path, cache):
        assert not [
            p for p in place.rglob("*.png") if p.name == "absolute.png" or p.parent == tmp_path
        ]
    assert not list((tmp_path / "work").iterdir())


SHAPES = [None, [1], {"_target_": ["a"]}]


@pytest.mark.parametrize(
    "section", ["generator", "data", "model", "latent", "loss", "strategy", "checkpoint"]
)
@pytest.mark.parametrize("command", ["load", "resume"])
def test_a_section_of_another_shape(section, command, trained, outside, tmp_path, capsys):
    """A configuration that is no configuration of a run ends in a sentence too, or does not matter."""
    for index, shape in enumerate([*SHAPES, "missing"]):
        folder = tmp_path / f"stranger-{index}"
        shutil.copytree(trained, folder)
        run = RunFolder(folder)
        config = yaml.safe_load(run.config.read_text())
        config[section] = shape
        if shape == "missing":
            del config[section]
        run.config.write_text(yaml.safe_dump(config))
        code, said = attempt(command, folder, capsys)
        assert "Traceback" not in said, said
        if code != 0:
            the_sentence(said)


def test_the_person_at_the_keyboard_may_allow_it(trained, outside, tmp_path, capsys, monkeypatch):
    """The same folder with the class allowed by an option, an argument or the environment."""
    (tmp_path / "work" / "their_lab.py").write_text(
        "from gan_lab.networks.dcgan import DcganGenerator\nclass Net(DcganGenerator): pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "work"))
    folder = tmp_path / "stranger"
    shutil.copytree(trained, folder)
    run = RunFolder(folder)
    config = yaml.safe_load(run.config.read_text())
    config["generator"]["_target_"] = "their_lab.Net"
    config["allow_targets"] = ["their_lab."]
    run.config.write_text(yaml.safe_dump(config))
    for command in (*LOADING, "resume"):
        code, said = attempt(command, folder, capsys)
        assert code == 2
        assert "allow it with allow_targets=[their_lab.]" in said.splitlines()[-1]
    assert load(folder, allow_targets=["their_lab."]).iteration == 1
    assert sample.main([f"run={folder}", "num=1", "allow_targets=[their_lab.]"]) == 0
    monkeypatch.setenv("GAN_LAB_ALLOW_TARGETS", "nothing_else.,their_lab.")
    assert sample.main([f"run={folder}", "num=2"]) == 0
    assert main([f"resume={folder}", "max_rounds=2"]) == 0


def test_paths_of_ones_own_run_need_no_permission(outside, tmp_path, capsys):
    """A run that this account made is resumed and scored on its data without a word; a copy with changes is not."""
    data = [
        "data=image_folder",
        f"data.root={outside}/photos",
        "data.resolution=32",
        "data.channels=1",
    ]
    folder = tmp_path / "mine"
    assert main([*TINY, *data, f"hydra.run.dir={folder}"]) == 0
    assert attempt("evaluate", folder, capsys)[0] == 0
    assert attempt("resume", folder, capsys)[0] == 0
    run = RunFolder(folder)
    run.config.write_text(run.config.read_text() + "\n# changed by somebody\n")
    for command in ("evaluate", "resume"):
        code, said = attempt(command, folder, capsys)
        assert code == 2
        assert f"add data.root={outside}/photos" in said.splitlines()[-1]
    assert main([f"resume={folder}", f"data.root={outside}/photos", "max_rounds=3"]) == 0


def test_a_run_that_came_from_another_account(outside, tmp_path, capsys, monkeypatch):
    """Samples need no word at all; its data lies elsewhere here, which is asked for in one sentence."""
    data = [
        "data=image_folder",
        f"data.root={outside}/photos",
        "data.resolution=32",
        "data.channels=1",
    ]
    folder = tmp_path / "theirs"
    assert main([*TINY, "max_rounds=1", *data, f"hydra.run.dir={folder}"]) == 0
    (outside / "photos").rename(outside / "pictures")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    assert attempt("sample", folder, capsys)[0] == 0
    for command in ("evaluate", "resume"):
        code, said = attempt(command, folder, capsys)
        assert code == 2
        assert (
            f"made elsewhere, and its data.root lies outside its folder; add data.root={outside}"
            in the_sentence(said)
        )
    here = f"data.root={outside}/pictures"
    assert evaluate.main([f"run={folder}", here, *SCORE]) == 0
    assert main([f"resume={folder}", here, "max_rounds=2"]) == 0
    assert RunFolder(folder).read_status()["state"] == "finished"


def test_a_secret_of_the_environment_is_not_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_API_KEY", "the secret itself")
    monkeypatch.chdir(tmp_path)
    line = ["logger=[wandb]", "logger.wandb.name=${oc.env:WANDB_API_KEY}", "hydra.run.dir=run"]
    assert main([*(t for t in TINY if not t.startswith("logger")), *line]) == 2
    said = capsys.readouterr().err.strip()
    assert "looks like a secret" in said.splitlines()[-1]
    assert not [
        p
        for p in tmp_path.rglob("*")
        if p.is_file() and "the secret itself" in p.read_text(errors="ignore")
    ]
