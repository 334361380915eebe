"""What a stranger could do to a run folder, each as a change to one that a real run made.

In texts OUTSIDE stands for a folder beside the run and FOLDER for the run's own; both are put in when it is changed.
"""

from __future__ import annotations

import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from gan_lab.storage.run_folder import RunFolder

Change = Callable[[RunFolder, Path], None]
LOADING = ("sample", "evaluate", "export", "load")  # they read the configuration and a checkpoint
ALL = (*LOADING, "resume", "auto", "compare")

SECRET = "the secret itself"


@dataclass(frozen=True)
class Hostile:
    """A change, what may be said about it, the commands that refuse it and those to which it does not matter."""

    change: Change
    words: tuple[str, ...]
    refused_by: tuple[str, ...]
    ignored_by: tuple[str, ...] = ()


class Runs:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def configured(**changes: Any) -> Change:
    """Other values in config.yaml."""

    def change(run: RunFolder, outside: Path) -> None:
        config = yaml.safe_load(run.config.read_text())
        config |= {key: _placed(value, run, outside) for key, value in changes.items()}
        run.config.write_text(yaml.safe_dump(config))

    return change


def nested(path: str, value: Any) -> Change:
    """Another value of one nested option in config.yaml."""

    def change(run: RunFolder, outside: Path) -> None:
        config = yaml.safe_load(run.config.read_text())
        section, _, key = path.partition(".")
        config[section][key] = _placed(value, run, outside)
        run.config.write_text(yaml.safe_dump(config))

    return change


def commanded(*overrides: str, flags: tuple[str, ...] = ()) -> Change:
    """More options and flags in overrides.yaml."""

    def change(run: RunFolder, outside: Path) -> None:
        stored = yaml.safe_load(run.overrides.read_text())
        stored["overrides"] += [_placed(one, run, outside) for one in overrides]
        stored["flags"] += [_placed(one, run, outside) for one in flags]
        run.overrides.write_text(yaml.safe_dump(stored))

    return change


def _placed(value: Any, run: RunFolder, outside: Path) -> Any:
    if isinstance(value, dict):
        return {key: _placed(one, run, outside) for key, one in value.items()}
    if not isinstance(value, str):
        return value
    return value.replace("OUTSIDE", str(outside)).replace("FOLDER", str(run.path.absolute()))


def only_last(run: RunFolder) -> Path:
    """last.ckpt, with no checkpoint left that a run could fall back to."""
    for file in run.checkpoints.glob("last-*.ckpt"):
        file.unlink()
    return run.last


def pickled(run: RunFolder, outside: Path) -> None:
    """A checkpoint with an object whose making runs code."""
    torch.save({"format": 1, "evil": Runs(outside / "unpickled")}, only_last(run))


def plain_pickle(run: RunFolder, outside: Path) -> None:
    """A pickle in the place of a checkpoint."""
    only_last(run).write_bytes(pickle.dumps(Runs(outside / "unpickled"), protocol=2))


def zip_upwards(run: RunFolder, outside: Path) -> None:
    """A checkpoint is a zip archive: here with members that would land outside."""
    with zipfile.ZipFile(only_last(run), "a") as archive:
        archive.writestr("../../../escaped.txt", "x")
        archive.writestr(f"{outside}/escaped.txt", "x")


def linked(name: str, target: str) -> Change:
    """An entry of the folder that is a link to something beside it."""

    def change(run: RunFolder, outside: Path) -> None:
        place = run.path / name
        if place.is_dir():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
        place.symlink_to(outside / target)

    return change


def fifo(name: str) -> Change:
    """An entry that is a pipe: who opens it waits for ever."""

    def change(run: RunFolder, outside: Path) -> None:
        (run.path / name).unlink(missing_ok=True)
        os.mkfifo(run.path / name)

    return change


def with_conf(change: Change) -> Change:
    """A folder of configurations inside the run folder, which would make Hydra itself load a pickle."""

    def both(run: RunFolder, outside: Path) -> None:
        place = run.path / "conf" / "experiment"
        place.mkdir(parents=True)
        callback = {"_target_": "torch.load", "f": str(outside / "pickle"), "weights_only": False}
        text = yaml.safe_dump({"hydra": {"callbacks": {"evil": callback}}})
        (place / "evil.yaml").write_text(f"# @package _global_\n{text}")
        change(run, outside)

    return both


def aliases(run: RunFolder, outside: Path) -> None:
    """A few lines of YAML that mean billions of values."""
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    run.config.write_text("\n".join(rows))


def merges(run: RunFolder, outside: Path) -> None:
    """The same with merge keys, which YAML multiplies while it reads."""
    rows = ["a0: &a0 {x: 1}"]
    rows += [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, 12)]
    run.config.write_text("\n".join(rows))


def python_objects(run: RunFolder, outside: Path) -> None:
    """YAML that would make objects of Python."""
    with run.config.open("a") as file:
        file.write(f"\nevil: !!python/object/apply:os.system ['touch {outside}/yaml']\n")


def replayed(words: str, *overrides: str, flags: tuple[str, ...] = ()) -> Hostile:
    """What only `resume=<folder>` reads: a stored command line."""
    return Hostile(commanded(*overrides, flags=flags), (words,), ("resume",))


PHOTOS = {"_target_": "gan_lab.data.sets.folder.ImageFolder", "root": "OUTSIDE/photos", "resolution": 32,
          "channels": 1, "batch_size": 8, "device": "auto"}  # fmt: skip
TOUCH = {"_target_": "os.system", "command": "touch OUTSIDE/ran"}
DIFFERS = "the run that is resumed has"
HYDRA = "would change Hydra itself"
LINK = "leads out of the run folder"
UNREAD = "config.yaml: cannot be read"
UP = "../" * 30
BUILDING = (*LOADING, "resume", "auto")
READING = ("evaluate", "resume", "auto")  # the data

CONFIGURATIONS = {
    "a command as a part": Hostile(
        configured(generator=TOUCH, allow_targets=["os."]), ("allow_targets=[os.]", DIFFERS), BUILDING, ("compare",)
    ),
    "a callable that one of our modules imported": Hostile(
        configured(data={"_target_": "gan_lab.data.sets.places.mkdtemp", "dir": "OUTSIDE"}),
        ("is no class", "data.dir lies outside", DIFFERS), BUILDING, ("compare",),
    ),
    "the same as a loss": Hostile(
        configured(loss={"_target_": "gan_lab.storage.files.Path", "x": 1}), ("must be a Loss", DIFFERS), BUILDING
    ),
    "one of our functions that is no part": Hostile(
        configured(generator={"_target_": "gan_lab.storage.files.write_whole", "path": "OUTSIDE/x"}),
        ("must be a network", "generator.path lies outside", DIFFERS), BUILDING,
    ),
    "a variable in the configuration": Hostile(
        nested("generator.norm", "${oc.env:GAN_LAB_SECRET}"), ("generator.norm",), BUILDING, ("compare",)
    ),
    "data outside": Hostile(
        configured(data=PHOTOS), ("data.root", DIFFERS), READING, ("sample", "export", "load", "compare")
    ),
    "data above": Hostile(configured(data={**PHOTOS, "root": "../photos"}), ("data.root", DIFFERS), READING),
    "weights of a metric outside": Hostile(
        configured(metrics={"_target_": "gan_lab.metrics.fid.Fid", "weights": "OUTSIDE/pickle"}),
        ("metrics.weights lies outside",), ("resume",), ("sample", "auto"),
    ),
    "a folder of logs outside": Hostile(
        configured(logger={"csv": {"_target_": "gan_lab.loggers.csv.CsvTracker", "file": "OUTSIDE/x.csv"}}),
        ("logger.csv.file lies outside",), ("resume",), ("auto",),
    ),
    "billions of aliases": Hostile(aliases, ("cannot be read (it holds too many values",), BUILDING, ("compare",)),
    "billions of merges": Hostile(merges, ("it holds a merge key",), BUILDING, ("compare",)),
    "objects of Python in YAML": Hostile(python_objects, (UNREAD,), BUILDING, ("compare",)),
}  # fmt: skip

CHECKPOINTS = {
    "a checkpoint that runs code": Hostile(pickled, ("last.ckpt",), BUILDING, ("compare",)),
    "a pickle for a checkpoint": Hostile(plain_pickle, ("last.ckpt",), BUILDING),
    "a checkpoint with ways out": Hostile(zip_upwards, ("last.ckpt",), BUILDING),
}

LINKED = {
    "metrics.jsonl": ("kept.txt", ALL),
    "checkpoints": ("photos", ALL),
    "checkpoints/last.ckpt": ("pickle", ALL),
    "samples": ("photos", ALL),
    "config.yaml": ("kept.txt", ("load", "resume", "auto", "compare")),
    "overrides.yaml": ("kept.txt", ("resume", "compare")),
    "status.json": ("new", ("resume", "auto", "compare")),
    "environment.json": ("kept.txt", ("auto",)),
    ".lock": ("new", ("resume", "auto")),
    "train.log": ("kept.txt", ("resume", "auto")),
    "curves.png": ("new", ("resume", "auto")),
    "compare.png": ("kept.txt", ("compare",)),
    "generated": ("photos", ("sample",)),
    "eval": ("photos", ("evaluate",)),
    "exported": ("photos", ("export",)),
}
PIPED = {
    "metrics.jsonl": ("resume", "auto", "compare"),
    "checkpoints/last.ckpt": ("sample", "load", "resume", "auto"),
}
LINKS = {
    **{f"{name} is a link": Hostile(linked(name, to), (LINK,), by) for name, (to, by) in LINKED.items()},
    **{f"{name} is a pipe": Hostile(fifo(name), ("neither a file nor a folder",), by) for name, by in PIPED.items()},
}  # fmt: skip

COMMAND_LINES = {
    "permission in the command line": replayed(
        f"generator._target_=os.system: {DIFFERS}",
        "allow_targets=[os.]", "++generator._target_=os.system", "++generator.command=touch OUTSIDE/ran",
    ),
    "permission as a group": replayed(
        "generator._target_=os.system", "+loss@allow_targets=hinge", "++generator._target_=os.system"
    ),
    "a variable as a value": replayed("give logger.wandb.name= again", "++logger.wandb.name=${oc.env:GAN_LAB_SECRET}"),
    "a variable behind backslashes": replayed(
        "give logger.wandb.name= again", r"++logger.wandb.name=$\{oc.env:GAN_LAB_SECRET\}"
    ),
    "a variable in a list": replayed(
        "give logger.wandb.tags= again", r"++logger.wandb.tags=[$\{oc.env:GAN_LAB_SECRET\}]"
    ),
    "a callback of Hydra": replayed(
        HYDRA, "+hydra.callbacks.x._target_=torch.load", "+hydra.callbacks.x.f=OUTSIDE/pickle",
        "+hydra.callbacks.x.weights_only=false",
    ),
    "an environment for the job": replayed(HYDRA, "+hydra.job.env_set.PATH=OUTSIDE"),
    "another launcher": replayed(HYDRA, "hydra/launcher=joblib"),
    "a group mounted into Hydra": replayed(HYDRA, "+experiment@hydra.callbacks=first_run"),
    "a path that Hydra searches": replayed(HYDRA, "hydra.searchpath=[file://OUTSIDE/conf]"),
    "another run folder": replayed(HYDRA, "hydra.run.dir=OUTSIDE/run"),
    "a folder of configurations": replayed("add --config-dir=", flags=("--config-dir", "OUTSIDE/conf")),
    "a choice that climbs out": replayed("experiment lies outside", f"experiment={UP}OUTSIDE/conf/experiment/evil"),
    "weights in the command line": replayed("metrics.weights lies outside", "metrics.weights=OUTSIDE/pickle"),
    "a folder of configurations inside": Hostile(
        with_conf(commanded("experiment=evil", flags=("--config-dir", "FOLDER/conf"))),
        ("add --config-dir=",), ("resume",),
    ),
    "a choice that climbs into the folder": Hostile(
        with_conf(commanded(f"experiment={UP}FOLDER/conf/experiment/evil")), ("experiment lies outside",), ("resume",)
    ),
}  # fmt: skip

FOLDERS = CONFIGURATIONS | CHECKPOINTS | LINKS | COMMAND_LINES
