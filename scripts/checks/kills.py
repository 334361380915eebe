"""Kills runs with SIGKILL at random moments, goes on with resume=auto, and compares all of it with the straight run.

python scripts/checks/kills.py --models dcgan wgan_gp --kills 20
python scripts/checks/kills.py --models dcgan --kills 4 --ranks 2

Every kill is of a fresh run in a real process. Equal are all tensors and values of last.ckpt and best.ckpt, and all
records except times and speeds. With several ranks either one is killed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from states import leaves, same

from gan_lab.storage.checkpoint import load_checkpoint
from gan_lab.storage.run_folder import RunFolder
from gan_lab.train import main as train

PHOTOS = 1500
ATTEMPTS = 5  # to meet a run that is still at work
ROUNDS = 240
PATIENCE = 1800  # seconds; a busy machine takes ten times as long as an idle one
COMMON = [
    "debug=tiny", "data=image_folder", "data.resolution=16", "data.batch_size=16", "logger=none",
    f"max_rounds={ROUNDS}", "log_every_rounds=1", "checkpoint.every_kimg=0.15", "metrics.every_kimg=0.6",
    "metrics.num_samples=1000", "metrics.num_reals=256", "samples.every_kimg=1", "samples.num=4",
]  # fmt: skip
MODELS = {
    "dcgan": ["model=dcgan"],
    "wgan_gp": ["model=wgan_gp", "generator=dcgan", "discriminator=dcgan", "model.n_critic=2"],
}
# Where the kills fall, in turn: what is waited for before a random pause.
PHASES = ("training", "checkpoint", "evaluation", "cache", "training", "any")
# On PYTHONPATH this lets a run leave a file while it evaluates, so that a kill can meet that.
MARKED = Path(__file__).parent / "marked"
# Records hold these, which no two runs share.
UNLIKE = ("speed/", "memory/", "metric/seconds", "metric/time_share")


@dataclass(frozen=True)
class Place:
    """Where one run is trained: its folder, its cache and the images."""

    folder: RunFolder
    cache: Path
    photos: Path

    @property
    def evaluating(self) -> Path:
        """A file that is there while the run evaluates."""
        return self.folder.path / "evaluating"


@dataclass(frozen=True)
class Kill:
    """One kill and what became of it."""

    phase: str
    rank: int
    iteration: int  # of the newest checkpoint when it came; -1 without one
    fault: str  # empty where everything is equal
    met: bool = True  # False: there was no process to kill any more


def main() -> None:
    """Kill, compare, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=sorted(MODELS), default=sorted(MODELS))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "little"))
    options = parser.parse_args()
    torch.set_num_threads(1)  # here as in the runs that are killed
    os.environ["OMP_NUM_THREADS"] = "1"
    print(f"Moments are drawn from seed {options.seed}.", flush=True)
    faults = 0
    for model in options.models:
        found = check(model, kills=options.kills, ranks=options.ranks, seed=options.seed)
        faults += sum(bool(kill.fault) for kill in found)
    sys.exit(1 if faults else 0)


def check(model: str, *, kills: int, ranks: int, seed: int) -> list[Kill]:
    """Train straight once, then kill and resume so many fresh runs; prints a row for each."""
    draw = random.Random(f"{seed} {model}")
    title = f"{model}, {ranks} process{'es' if ranks > 1 else ''}"
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        make_photos(work / "photos")
        straight = Place(RunFolder(work / "straight"), work / "cache", work / "photos")
        began = time.monotonic()
        if fault := go_on(command(model, straight, ranks), straight):
            raise SystemExit(fault)
        seconds = time.monotonic() - began
        print(f"| {title} | rank | checkpoint at | result |\n|---|---|---|---|", flush=True)
        found = []
        for index in range(kills):
            phase = PHASES[index % len(PHASES)]
            for attempt in range(ATTEMPTS):
                here = f"{index}-{attempt}"
                place = Place(
                    RunFolder(work / f"run-{here}"), work / f"cache-{here}", work / "photos"
                )
                with prepared(place, straight.cache if phase != "cache" else None):
                    kill = kill_once(
                        command(model, place, ranks), place, phase=phase, ranks=ranks,
                        seconds=seconds, draw=draw, truth=straight.folder,
                    )  # fmt: skip
                if kill.met:
                    break
            found.append(kill)
            row = (kill.phase, kill.rank, kill.iteration, kill.fault or "equal")
            print(f"| {' | '.join(map(str, row))} |", flush=True)
    good = sum(not kill.fault for kill in found)
    print(f"{title}: {good} of {len(found)} equal the straight run.\n", flush=True)
    return found


@contextmanager
def prepared(place: Place, cache: Path | None) -> Iterator[None]:
    """A place for one run, with a cache that is there already or none; gone afterwards."""
    if cache is not None:
        shutil.copytree(cache, place.cache)
    try:
        yield
    finally:
        shutil.rmtree(place.folder.path, ignore_errors=True)
        shutil.rmtree(place.cache, ignore_errors=True)


def kill_once(
    arguments: list[str],
    place: Place,
    *,
    phase: str,
    ranks: int,
    seconds: float,
    draw: random.Random,
    truth: RunFolder,
) -> Kill:
    """Start a run, kill one of its processes at a random moment of the phase, go on to the end, and compare.

    Args:
        arguments: the command line.
        place: where it is trained.
        phase: one of PHASES.
        ranks: processes.
        seconds: how long a run takes.
        draw: gives the moments and the rank.
        truth: the straight run.
    """
    # The other rank does not read images, so it is not there yet.
    rank = 0 if phase == "cache" else draw.randrange(ranks)
    process = start(arguments, place)
    wait_for(phase, place, process, seconds=seconds, draw=draw)
    victim = process.pid if rank == 0 else child_of(process.pid)
    if victim is None or process.poll() is not None:
        process.wait(timeout=PATIENCE)
        return Kill(
            phase,
            rank,
            newest(place.folder),
            "the run had ended, or had not begun its ranks",
            met=False,
        )
    os.kill(victim, signal.SIGKILL)
    fault = ended(process) if rank else ""
    process.wait(timeout=PATIENCE)
    time.sleep(0.5 if ranks > 1 else 0)  # the other rank notices by itself
    iteration = newest(place.folder)
    try:
        fault = fault or go_on(arguments, place, here=ranks == 1) or difference(truth, place.folder)
    except Exception as error:
        fault = f"{type(error).__name__}: {error}"
    return Kill(phase, rank, iteration, fault)


def command(model: str, place: Place, ranks: int) -> list[str]:
    """The command line of a run, the same for its start and for going on."""
    several = ["strategy=ddp", f"strategy.devices={ranks}", "strategy.accelerator=cpu"]
    return [
        *MODELS[model], *COMMON, *(several if ranks > 1 else []), f"data.root={place.photos}", "resume=auto",
        f"hydra.run.dir={place.folder.path}",
    ]  # fmt: skip


def environment_of(place: Place) -> dict[str, str]:
    """The variables of a run: its cache, one thread, and a mark while it evaluates."""
    paths = [str(MARKED), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ, "GAN_LAB_CACHE": str(place.cache), "OMP_NUM_THREADS": "1",
        "EVALUATING": str(place.evaluating), "PYTHONPATH": os.pathsep.join(paths),
    }  # fmt: skip


def start(arguments: list[str], place: Place) -> subprocess.Popen[str]:
    """Start a run in a process of its own, with one thread."""
    environment = environment_of(place)
    place.folder.path.mkdir(parents=True, exist_ok=True)
    with (place.folder.path / "output.txt").open("a") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "gan_lab.train", *arguments],
            env=environment, stdout=output, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip


def go_on(arguments: list[str], place: Place, *, here: bool = False) -> str:
    """Run to the end, in this process or one of its own, and return what went wrong."""
    if here:
        os.environ["GAN_LAB_CACHE"] = str(place.cache)
        with (place.folder.path / "output.txt").open("a") as output, redirect_stderr(output):
            code = train(arguments)
    else:
        code = start(arguments, place).wait(timeout=PATIENCE)
    if code == 0:
        return ""
    lines = (place.folder.path / "output.txt").read_text().strip().splitlines()
    return f"exit code {code}: {lines[-1] if lines else ''}"


def wait_for(
    phase: str,
    place: Place,
    process: subprocess.Popen[str],
    *,
    seconds: float,
    draw: random.Random,
) -> None:
    """Return at a random moment of the phase."""
    signs: dict[str, tuple[Callable[[], bool], float]] = {
        "any": (lambda: True, seconds),
        "training": (lambda: True, 0.01),
        "evaluation": (place.evaluating.exists, 0.1),
        "checkpoint": (lambda: any(place.folder.checkpoints.glob("*.tmp-*")), 0.005),
        "cache": (lambda: any(place.cache.glob("images/*.tmp-*")), 0.3),
    }
    sign, pause = signs[phase]
    if phase in ("training", "evaluation", "checkpoint"):
        recorded = draw.randrange(ROUNDS - 40)
        wait_until(lambda: lines(place.folder.metrics) >= recorded, process)
    wait_until(sign, process)
    time.sleep(draw.uniform(0, pause))


def wait_until(sign: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for a sign of the run, or its end.

    Raises:
        SystemExit: where neither comes, since what follows would then be of another moment.
    """
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and not sign():
        if time.monotonic() > deadline:
            process.kill()
            raise SystemExit(f"A run did not come to the moment asked for in {PATIENCE} seconds.")
        time.sleep(0.0005)


def lines(path: Path) -> int:
    """How many lines a file has; none where it is not there."""
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def child_of(pid: int) -> int | None:
    """The other rank: the worker that a run has started."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue
        if parent == pid and b"gan_lab.run.worker" in words:
            return int(entry.name)
    return None


def ended(process: subprocess.Popen[str]) -> str:
    """Wait for a first rank whose other rank was killed; what is wrong if it never ends."""
    try:
        process.wait(timeout=90)
    except subprocess.TimeoutExpired:
        process.kill()
        return "the first rank did not end when the other was killed"
    return ""


def newest(folder: RunFolder) -> int:
    """The iteration of last.ckpt."""
    if not folder.last.is_file():
        return -1
    return int(load_checkpoint(folder.last)["clock"]["iteration"])


def difference(truth: RunFolder, found: RunFolder) -> str:
    """What differs between two runs; empty where nothing does."""
    for name in ("last.ckpt", "best.ckpt"):
        one, other = (
            dict(leaves(load_checkpoint(folder.checkpoints / name))) for folder in (truth, found)
        )
        if one.keys() != other.keys():
            return f"{name} holds {sorted(one.keys() ^ other.keys())[:3]} in one run only"
        unlike = [key for key in one if not same(one[key], other[key])]
        if unlike:
            return f"{name}: {len(unlike)} of {len(one)} values differ, such as {unlike[0]}"
    one, other = (list(map(timeless, folder.records())) for folder in (truth, found))
    if len(one) != len(other):
        return f"{len(other)} records instead of {len(one)}"
    for a, b in zip(one, other, strict=True):
        if a != b:
            return f"the record of iteration {a['iteration']} differs"
    grids = [sorted(path.name for path in folder.samples.iterdir()) for folder in (truth, found)]
    return "" if grids[0] == grids[1] else "the grids differ"


def timeless(record: dict[str, Any]) -> dict[str, Any]:
    """A record without times and speeds."""
    return {key: value for key, value in record.items() if not key.startswith(UNLIKE)}


def make_photos(folder: Path) -> None:
    """Noise of two classes as PNG files."""
    generator = np.random.default_rng(0)
    for index in range(PHOTOS):
        place = folder / ("cat" if index % 2 else "dog")
        place.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{index:04}.png")


if __name__ == "__main__":
    main()
