"""Run folders from a stranger: nothing of theirs runs, nothing outside them is read or written, one sentence each."""

from __future__ import annotations

import hashlib
import pickle
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from gan_lab import evaluate, load, sample
from gan_lab.common.errors import GanLabError
from gan_lab.storage.run_folder import RunFolder
from gan_lab.train import main

TINY = ["debug=tiny", "logger=none", "metrics=none", "samples.num=4", "max_rounds=1"]
LOADING = ("sample", "evaluate", "load")
ALL = (*LOADING, "resume")


@dataclass(frozen=True)
class Hostile:
    """What a stranger changed in the folder, what may be said about it, and by which commands it is refused."""

    change: Any
    words: tuple[str, ...]
    refused_by: tuple[str, ...] = ALL


def configured(**changes: Any) -> Any:
    def change(run: RunFolder, outside: Path) -> None:
        config = yaml.safe_load(run.config.read_text())
        for key, value in changes.items():
            config[key] = _placed(value, outside)
        run.config.write_text(yaml.safe_dump(config))

    return change


def commanded(*overrides: str, flags: tuple[str, ...] = ()) -> Any:
    def change(run: RunFolder, outside: Path) -> None:
        stored = yaml.safe_load(run.overrides.read_text())
        stored["overrides"] += [_placed(one, outside) for one in overrides]
        stored["flags"] += [_placed(one, outside) for one in flags]
        run.overrides.write_text(yaml.safe_dump(stored))

    return change


def _placed(value: Any, outside: Path) -> Any:
    if isinstance(value, dict):
        return {key: _placed(one, outside) for key, one in value.items()}
    return value.replace("OUTSIDE", str(outside)) if isinstance(value, str) else value


class Runs:
    """Runs a function where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def only_last(run: RunFolder) -> Path:
    """last.ckpt, with no checkpoint left that a run could fall back to."""
    for file in run.checkpoints.glob("last-*.ckpt"):
        file.unlink()
    return run.last


def pickled(run: RunFolder, outside: Path) -> None:
    torch.save({"format": 1, "evil": Runs(outside / "unpickled")}, only_last(run))


def plain_pickle(run: RunFolder, outside: Path) -> None:
    only_last(run).write_bytes(pickle.dumps(Runs(outside / "unpickled")))


def linked_records(run: RunFolder, outside: Path) -> None:
    run.metrics.unlink()
    run.metrics.symlink_to(outside / "kept.txt")


def linked_samples(run: RunFolder, outside: Path) -> None:
    shutil.rmtree(run.samples)
    run.samples.symlink_to(outside)


def zip_upwards(run: RunFolder, outside: Path) -> None:
    """A checkpoint is a zip archive: here with members that would land outside."""
    with zipfile.ZipFile(only_last(run), "a") as archive:
        archive.writestr("../../../escaped.txt", "x")
        archive.writestr(f"{outside}/escaped.txt", "x")


def aliases(run: RunFolder, outside: Path) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    run.config.write_text("\n".join(rows))


def python_objects(run: RunFolder, outside: Path) -> None:
    with run.config.open("a") as file:
        file.write(f"\nevil: !!python/object/apply:os.system ['touch {outside}/yaml']\n")


PHOTOS = {"_target_": "gan_lab.data.sets.folder.ImageFolder", "root": "OUTSIDE/photos", "resolution": 32,
          "channels": 1, "batch_size": 8, "device": "auto"}  # fmt: skip
TOUCH = {"_target_": "os.system", "command": "touch OUTSIDE/ran"}

FOLDERS = {
    "a command as a part": Hostile(
        configured(generator=TOUCH, allow_targets=["os."]), ("allow_targets=[os.]",)
    ),
    "a callable that one of our modules imported": Hostile(
        configured(data={"_target_": "gan_lab.data.sets.places.mkdtemp", "dir": "OUTSIDE"}),
        ("is no class", "data.dir lies outside"),
    ),
    "one of our functions that is no part": Hostile(
        configured(generator={"_target_": "gan_lab.storage.files.write_whole", "path": "OUTSIDE/x"}),
        ("must be a network", "generator.path lies outside"),
    ),
    "permission in the command line": Hostile(
        commanded("allow_targets=[os.]", "++generator._target_=os.system", "++generator.command=touch OUTSIDE/ran"),
        ("generator._target_=os.system: the run that is resumed has",), ("resume",),
    ),
    "a variable as a value": Hostile(
        commanded("++logger.wandb.name=${oc.env:GAN_LAB_SECRET}"), ("give logger.wandb.name= again",), ("resume",)
    ),
    "a callback of Hydra": Hostile(
        commanded("+hydra.callbacks.x._target_=torch.load", "+hydra.callbacks.x.f=OUTSIDE/pickle"),
        ("would change Hydra itself",), ("resume",),
    ),
    "an environment for the job": Hostile(
        commanded("+hydra.job.env_set.PATH=OUTSIDE"), ("would change Hydra itself",), ("resume",)
    ),
    "a launcher, a group mounted into Hydra": Hostile(
        commanded("+experiment@hydra.callbacks=first_run"), ("would change Hydra itself",), ("resume",)
    ),
    "a folder of configurations": Hostile(
        commanded(flags=("--config-dir", "OUTSIDE/conf")), ("add --config-dir=",), ("resume",)
    ),
    "data outside": Hostile(configured(data=PHOTOS), ("data.root",), ("evaluate", "resume")),
    "data above": Hostile(
        configured(data={**PHOTOS, "root": "../photos"}), ("data.root",), ("evaluate", "resume")
    ),
    "a checkpoint that runs code": Hostile(pickled, ("last.ckpt",)),
    "a pickle for a checkpoint": Hostile(plain_pickle, ("last.ckpt",)),
    "a checkpoint with ways out": Hostile(zip_upwards, ("last.ckpt",)),
    "records that are a link": Hostile(linked_records, ("leads out of the run folder",)),
    "samples that are a link": Hostile(linked_samples, ("leads out of the run folder",)),
    "billions of aliases": Hostile(aliases, ("config.yaml", "too many values")),
    "objects of Python in YAML": Hostile(python_objects, ("config.yaml: cannot be read",)),
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert main([*TINY, f"hydra.run.dir={folder}"]) == 0
    return folder


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """What lies around a stranger's folder: images, a pickle, a configuration with code, and a secret."""
    from PIL import Image

    place = tmp_path / "outside"
    (place / "photos").mkdir(parents=True)
    for index in range(12):
        Image.new("L", (32, 32), index).save(place / "photos" / f"{index}.png")
    (place / "kept.txt").write_text("kept\n")
    (place / "pickle").write_bytes(pickle.dumps(Runs(place / "unpickled")))
    (place / "conf" / "experiment").mkdir(parents=True)
    (place / "conf" / "experiment" / "evil.yaml").write_text(
        "# @package _global_\nallow_targets: [os.]\n"
    )
    monkeypatch.setenv("GAN_LAB_SECRET", "the secret itself")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return place


def state_of(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        if p.is_file()
        else "folder"
        for p in sorted(folder.rglob("*"))
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
    code = {
        "sample": lambda: sample.main([f"run={folder}", "num=1"]),
        "evaluate": lambda: evaluate.main(
            [f"run={folder}", "metrics.num_samples=4", "metrics.num_reals=4"]
        ),
        "resume": lambda: main([f"resume={folder}", "max_rounds=2"]),
    }[command]()
    return code, capsys.readouterr().err.strip()


@pytest.mark.parametrize("command", ALL)
@pytest.mark.parametrize("name", FOLDERS)
def test_a_hostile_folder_ends_in_one_sentence(name, command, trained, outside, tmp_path, capsys):
    hostile = FOLDERS[name]
    folder = tmp_path / "stranger"
    shutil.copytree(trained, folder)
    hostile.change(RunFolder(folder), outside)
    before = state_of(outside), state_of(tmp_path / "work")
    code, said = attempt(command, folder, capsys)
    assert state_of(outside) == before[0], "something outside was written"
    if command in hostile.refused_by:
        assert code in (1, 2), said
        lines = said.splitlines()
        assert (
            len(
                [line for line in lines if not line.startswith(("Run folder", "On the", "Warning"))]
            )
            == 1
        ), said
        assert "Traceback" not in said
        assert any(words in lines[-1] for words in hostile.words), lines[-1]
        assert state_of(tmp_path / "work") == before[1], "something was left behind"
    else:
        assert code == 0, "what this command does not read does not matter to it"
    written = "".join(p.read_text(errors="ignore") for p in folder.rglob("*") if p.is_file())
    assert "the secret itself" not in written
    assert not list(tmp_path.rglob("escaped.txt"))


def test_there_are_a_dozen():
    assert len(FOLDERS) >= 12


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
    for command in ALL:
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
