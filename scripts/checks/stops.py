"""Stops runs with four signals at five moments, goes on with resume=auto, and compares all of it with the straight run.

python scripts/checks/stops.py --each 12
python scripts/checks/stops.py --each 1 --signals SIGTERM --moments first last

Every stop is of a fresh run in a real process. Right are the exit code, the sentence, the state in status.json, and
that the run that goes on leaves nothing undone: records, last.ckpt, best.ckpt and grids equal the straight run's (with
one more grid, of where it stopped), its metric is the last one recorded, and the curves are drawn. Needs Linux, whose
/proc tells when a run listens.
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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from kills import PATIENCE, Place, difference, environment_of, go_on, make_photos, wait_until

from gan_lab.storage.run_folder import RunFolder

CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129, "SIGUSR1": 128 + signal.SIGUSR1}
# How many evaluations are recorded when the one begins that is stopped.
EVALUATIONS = {"first": 0, "middle": 1, "last": 2}
MOMENTS = ("import", "cache", *EVALUATIONS)
ROUNDS = 20
OPTIONS = [
    "debug=tiny", "data=image_folder", "data.resolution=16", "data.batch_size=16", "logger=none", "resume=auto",
    f"max_rounds={ROUNDS}", "max_kimg=null", "log_every_rounds=1", f"metrics.every_kimg={ROUNDS * 8 / 1000}",
    "metrics.num_samples=6000", "metrics.num_reals=256", "samples.every_kimg=0.1", "samples.num=4",
]  # fmt: skip
SCORE = "metric/small_frechet"


@dataclass(frozen=True)
class Stop:
    """One signal and what became of the run."""

    code: int
    state: str
    fault: str  # empty where everything is right


def main() -> None:
    """Stop, go on, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=int, default=12, help="stops for each signal at each moment")
    parser.add_argument("--signals", nargs="+", choices=CODES, default=list(CODES))
    parser.add_argument("--moments", nargs="+", choices=MOMENTS, default=list(MOMENTS))
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "little"))
    options = parser.parse_args()
    torch.set_num_threads(1)  # here as in the runs that are stopped
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in CODES:  # what this process ignores, the runs would ignore too
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    print(f"Moments are drawn from seed {options.seed}.", flush=True)
    wrong = check(options.signals, options.moments, each=options.each, seed=options.seed)
    sys.exit(1 if wrong else 0)


def check(signals: list[str], moments: list[str], *, each: int, seed: int) -> int:
    """Train straight once, then stop and resume fresh runs; prints a row for each and returns how many are wrong."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        make_photos(work / "photos")
        straight = Place(RunFolder(work / "straight"), work / "cache", work / "photos")
        straight.folder.path.mkdir()
        if fault := go_on(command(straight), straight, here=True):
            raise SystemExit(fault)
        print("| moment | signal | exit code | state | result |\n|---|---|---|---|---|", flush=True)
        wrong = total = 0
        for number, (moment, kind) in enumerate(cases(signals, moments, each)):
            place = Place(
                RunFolder(work / f"run-{number}"), work / f"cache-{number}", straight.photos
            )
            if moment != "cache":
                shutil.copytree(straight.cache, place.cache)
            draw = random.Random(f"{seed} {number}")
            stop = stop_once(place, moment=moment, kind=kind, draw=draw, truth=straight.folder)
            row = (moment, kind, stop.code, stop.state, stop.fault or "right")
            print(f"| {' | '.join(map(str, row))} |", flush=True)
            wrong, total = wrong + bool(stop.fault), total + 1
            shutil.rmtree(place.folder.path)
            shutil.rmtree(place.cache, ignore_errors=True)
    print(f"{total - wrong} of {total} stops are right and leave nothing undone.", flush=True)
    return wrong


def cases(signals: list[str], moments: list[str], each: int) -> Iterator[tuple[str, str]]:
    """Every moment with every signal, so many times."""
    for _ in range(each):
        for moment in moments:
            for kind in signals:
                yield moment, kind


def stop_once(
    place: Place, *, moment: str, kind: str, draw: random.Random, truth: RunFolder
) -> Stop:
    """Start a run, send it the signal at a random time of the moment, look at it, go on to the end, and look again.

    Args:
        place: where it is trained.
        moment: one of MOMENTS.
        kind: the signal's name.
        draw: gives the time.
        truth: the straight run.
    """
    process = start(place)
    reach(moment, place, process, draw)
    process.send_signal(getattr(signal, kind))
    said = process.communicate(timeout=PATIENCE)[0]
    status = place.folder.read_status()
    state = status.get("state", "none")
    fault = stopped_wrong(moment, kind, process.returncode, said, place.folder)
    place.folder.path.mkdir(parents=True, exist_ok=True)
    fault = fault or go_on(command(place), place, here=True) or undone(truth, place.folder)
    return Stop(process.returncode, state, fault)


def command(place: Place) -> list[str]:
    """The command line of a run, the same for its start and for going on."""
    return [*OPTIONS, f"data.root={place.photos}", f"hydra.run.dir={place.folder.path}"]


def start(place: Place) -> subprocess.Popen[str]:
    """Start a run in a process of its own, with one thread."""
    place.folder.path.mkdir(parents=True)
    return subprocess.Popen(
        [sys.executable, "-m", "gan_lab.train", *command(place)], env=environment_of(place),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def reach(moment: str, place: Place, process: subprocess.Popen[str], draw: random.Random) -> None:
    """Return at a random time of the moment."""
    if moment == "import":
        wait_until(lambda: listens(process.pid), process)
        time.sleep(draw.uniform(0, 1))
    elif moment == "cache":
        wait_until(lambda: any(place.cache.glob("images/*.tmp-*")), process)
        time.sleep(draw.uniform(0, 0.05))
    else:
        known = EVALUATIONS[moment]
        wait_until(lambda: place.evaluating.exists() and scored(place.folder) == known, process)
        time.sleep(draw.uniform(0, 0.2))


def listens(pid: int) -> bool:
    """Whether a process has set a handler for SIGTERM; before that Python itself has not begun."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def scored(folder: RunFolder) -> int:
    """How many evaluations are recorded."""
    return folder.metrics.read_text().count(f'"{SCORE}"') if folder.metrics.is_file() else 0


def stopped_wrong(moment: str, kind: str, code: int, said: str, folder: RunFolder) -> str:
    """What is wrong with a run that was stopped; empty where nothing is."""
    if code != CODES[kind]:
        return f"exit code {code} instead of {CODES[kind]}: {said.strip().splitlines()[-1:]}"
    if said.strip().splitlines()[-1:] != [f"Stopped by {kind}."] or "Traceback" in said:
        return f"it said {said.strip().splitlines()[-1:]}"
    status = folder.read_status()
    if moment == "import" and not status:
        return ""
    if (status.get("state"), status.get("reason")) != ("interrupted", kind):
        return f"status.json says {status}"
    if moment in EVALUATIONS and scored(folder) != EVALUATIONS[moment]:
        return "the signal came after the evaluation; run it again"
    return ""


def undone(truth: RunFolder, folder: RunFolder) -> str:
    """What a run that has gone on to its end lacks; empty where nothing is."""
    fault = difference(truth, folder)
    expected, found = ({path.name for path in one.samples.iterdir()} for one in (truth, folder))
    # A run that stops leaves a grid of where it stopped, which the straight run lacks; none may be missing.
    if fault and not (
        fault == "the grids differ" and expected < found and len(found - expected) == 1
    ):
        return fault
    values = [record[SCORE] for record in folder.records() if SCORE in record]
    status = folder.read_status()
    if (status.get("state"), status.get("metric")) != ("finished", values[-1]):
        return f"status.json says {status}, the last evaluation {values[-1]}"
    return "" if folder.curves.is_file() else "the curves are missing"


if __name__ == "__main__":
    main()
