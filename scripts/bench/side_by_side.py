"""Measures runs that share one machine: alone, two at once, and the jobs of a parallel sweep.

    python scripts/bench/side_by_side.py [--before <checkout>] [--repeats 5] [--seconds 20] [--starts 4] [--turns 6]
                                         [--out <file>.json]

Every figure is the images per second of whole commands that run as people start them: a small DCGAN on fashion_mini
(32 pixels, width 32, batch 64), without metric and samples, and with no variable of OpenMP set. The situations take
turns, so that a machine that changes its speed changes it for all of them. A ratio is the median over the turns. The
cores must be idle.

One run alone against another tree's differs by a few percent, less than the machine's own moods. So with --before they
are started together with a thread for every processor, and all but one are stopped (SIGSTOP) while that one computes
for a few seconds, in turns. Neighbouring turns give one ratio. A process also keeps a speed of its own for as long as
it lives, a few percent from its twin's. So all are started --starts times, and the other tree takes part twice: its
two runs against each other tell how far the same code differs from itself.

`--set GOMP_SPINCOUNT=3000` tries another setting in every run of this checkout. --before names another
checkout, such as a worktree of an older commit. The sweep needs hydra-joblib-launcher.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cases import machine
from intervals import median_and_interval
from tables import table

HERE = Path(__file__).resolve().parents[2]
OPTIONS = (
    "model=dcgan", "generator.width=32", "discriminator.width=32", "data.batch_size=64", "strategy=cpu",
    "metrics=none", "logger=none", "max_kimg=100000", "samples.every_kimg=100000", "log_every_rounds=10",
)  # fmt: skip
SWEEP = ("-m", "seed=0,1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
# What a user may have set; the runs here are as they come.
UNSET = ("OMP_", "GOMP_", "KMP_", "MKL_")
WARM_UP = 4.0  # seconds behind the first records
PATIENCE = 300.0
TURN = 4.0  # seconds that one of two runs computes while the other is stopped
SETTLE = 0.7  # seconds at the start of a turn that do not count: caches, and the rest of a round
GOALS = {"two at once": 0.75, "parallel sweep": 0.95, "alone, now": 0.97}


class Watched:
    """Reads from a run's folder how many images it has seen, and when that was."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "metrics.jsonl"
        self.notes: list[tuple[float, int]] = []

    def look(self) -> None:
        """Note the newest record, if it is new."""
        now = time.perf_counter()
        lines = self.path.read_bytes().splitlines(keepends=True) if self.path.is_file() else []
        whole = [line for line in lines[-2:] if line.endswith(b"\n")]
        if whole:
            seen = json.loads(whole[-1])["images_seen"]
            if not self.notes or self.notes[-1][1] != seen:
                self.notes.append((now, seen))

    def rate(self, since: float) -> float:
        """Images per second between the first and last record in the window."""
        inside = [note for note in self.notes if note[0] >= since] or self.notes[-2:]
        if len(inside) < 2:
            inside = self.notes[-2:]  # so slow that the window holds one record at most
        (start, first), (end, last) = inside[0], inside[-1]
        return (last - first) / max(end - start, 1e-9)


def environment(tree: Path) -> dict[str, str]:
    """This process's environment without settings of OpenMP, for the code of `tree`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(UNSET)}
    return {**kept, "PYTHONPATH": str(tree)}


def train(tree: Path, place: str, settings: dict[str, str], *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "gan_lab.train", *OPTIONS, *more, place]
    return subprocess.Popen(
        command, cwd=tree, env={**environment(tree), **settings}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def together(
    processes: Sequence[subprocess.Popen], folders: Sequence[Path], seconds: float
) -> float:
    """Images per second of all runs, in a window that opens when each of them is past its start."""
    runs = [Watched(folder) for folder in folders]
    begun, since = time.perf_counter(), 0.0
    try:
        while True:
            time.sleep(0.02)
            now = time.perf_counter()
            for run in runs:
                run.look()
            if any(process.poll() is not None for process in processes):
                raise SystemExit("A run of gan_lab.train ended before it was measured.")
            if not since and (all(len(run.notes) > 2 for run in runs) or now - begun > PATIENCE):
                since = now + WARM_UP
            if since and now > since + seconds:
                return sum(run.rate(since) for run in runs)
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def measure(
    what: str, tree: Path, seconds: float, settings: Sequence[dict[str, str]] = ({}, {})
) -> float:
    """One turn of one situation.

    Args:
        what: alone, two at once, or parallel sweep.
        tree: the checkout whose code runs.
        seconds: length of the window.
        settings: environment variables of the first and the second run.
    """
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        if what == "parallel sweep":
            processes = [train(tree, f"hydra.sweep.dir={root}", settings[0], *SWEEP)]
            return together(processes, [root / "0", root / "1"], seconds)
        folders = [root / "0", root / "1"][: 1 if what == "alone" else 2]
        processes = [
            train(tree, f"hydra.run.dir={folder}", own)
            for folder, own in zip(folders, settings, strict=False)
        ]
        return together(processes, folders, seconds)


def alternate(repeats: int, seconds: float, settings: dict[str, str]) -> dict[str, list[float]]:
    """Images per second of all situations, in turns."""
    names = ["alone", "two at once", "parallel sweep"]
    found: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(repeats):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            found[name].append(measure(name, HERE, seconds, (settings, settings)))
            print(f"turn {turn + 1}, {name}: {found[name][-1]:,.0f} images/s", flush=True)
    return found


def turns(before: Path, repeats: int, settings: dict[str, str]) -> dict[str, list[float]]:
    """One run of this checkout and two of another; all but one are stopped while that one computes."""
    every = {"OMP_NUM_THREADS": str(os.cpu_count())}  # none takes a share beside the others
    with tempfile.TemporaryDirectory() as place:
        trees = {
            "alone, now": (HERE, {**every, **settings}),
            "alone, before": (before, every),
            "alone, before again": (before, every),
        }
        runs = {name: Watched(Path(place) / name) for name in trees}
        processes = {
            name: train(tree, f"hydra.run.dir='{Path(place) / name}'", own)
            for name, (tree, own) in trees.items()
        }
        try:
            _started(list(runs.values()), list(processes.values()))
            return _in_turns(runs, processes, repeats)
        finally:
            for process in processes.values():
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def paired_starts(
    before: Path, starts: int, repeats: int, settings: dict[str, str]
) -> dict[str, list[float]]:
    """The turns of several starts, one behind the other."""
    found: dict[str, list[float]] = {}
    for start in range(starts):
        for name, speeds in turns(before, repeats, settings).items():
            found.setdefault(name, []).extend(speeds)
            print(
                f"start {start + 1}, {name}: {statistics.median(speeds):,.0f} images/s", flush=True
            )
    return found


def _started(runs: list[Watched], processes: list[subprocess.Popen]) -> None:
    """Wait for the first records of each run, one run at a time."""
    for process in processes:
        os.killpg(process.pid, signal.SIGSTOP)
    for run, process in zip(runs, processes, strict=True):
        os.killpg(process.pid, signal.SIGCONT)
        begun = time.perf_counter()
        while len(run.notes) < 3:
            time.sleep(0.1)
            run.look()
            if process.poll() is not None or time.perf_counter() - begun > PATIENCE:
                raise SystemExit("A run of gan_lab.train ended, or did not start.")
        os.killpg(process.pid, signal.SIGSTOP)


def _in_turns(
    runs: dict[str, Watched], processes: dict[str, subprocess.Popen], repeats: int
) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for name in list(runs) if turn % 2 else list(runs)[::-1]:
            os.killpg(processes[name].pid, signal.SIGCONT)
            since = time.perf_counter()
            while time.perf_counter() < since + TURN:
                time.sleep(0.02)
                runs[name].look()
            os.killpg(processes[name].pid, signal.SIGSTOP)
            if turn:  # the first warms up
                found[name].append(runs[name].rate(since + SETTLE))
    return found


def row_of(what: str, speeds: list[float], base: list[float] | None) -> dict:
    """A row of the table: images per second and, with a base, the median ratio to it, its interval and the goal.

    The interval takes the ratios for independent of each other, also those of one start.
    """
    row = {"what": what, "images_per_s": round(statistics.median(speeds), 1)}
    if base:
        ratios = [one / other for one, other in zip(speeds, base, strict=True)]
        median, low, high = median_and_interval(ratios)
        row |= {"ratio": round(median, 3), "interval": [round(low, 3), round(high, 3)]}
        row |= {"goal": GOALS[what]} if what in GOALS else {}
    return row


def rows_of(
    found: dict[str, list[float]], paired: dict[str, list[float]], turns_each: int
) -> list[dict]:
    """A row for each situation; those of pairs hold the ratio of each start, of so many turns, too."""
    rows = [
        row_of(name, speeds, None if name == "alone" else found["alone"])
        for name, speeds in found.items()
    ]
    before = paired.get("alone, before")
    for name, speeds in paired.items():
        row = row_of(name, speeds, None if speeds is before else before)
        rows.append(row | {"of_each_start": _medians(speeds, before, turns_each)})
    return rows


def _medians(speeds: list[float], base: list[float], turns_each: int) -> list[float]:
    """The median ratio of each start."""
    ratios = [one / other for one, other in zip(speeds, base, strict=True)]
    return [
        round(statistics.median(ratios[at : at + turns_each]), 3)
        for at in range(0, len(ratios), turns_each)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="another checkout, for one run alone")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--starts", type=int, default=4, help="how often runs start, with --before")
    parser.add_argument("--turns", type=int, default=6, help="turns of each start, with --before")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="environment")
    options = parser.parse_args()
    settings = dict(one.split("=", 1) for one in options.set)
    before = options.before and options.before.resolve()
    load = [round(value, 2) for value in os.getloadavg()]
    found = alternate(options.repeats, options.seconds, settings)
    paired = paired_starts(before, options.starts, options.turns, settings) if before else {}
    rows = rows_of(found, paired, options.turns)
    content = {
        "machine": machine(), "load_before": load, "repeats": options.repeats, "seconds": options.seconds,
        "starts": options.starts, "turns": options.turns, "set": settings, "results": rows,
    }  # fmt: skip
    keys = ("what", "images_per_s", "ratio", "interval", "goal")
    print(table(keys, [[row.get(key, "-") for key in keys] for row in rows]))
    print(json.dumps(content))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
