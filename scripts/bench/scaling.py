"""What training costs as things grow, measured on the CPU: `make scaling`.

    python scripts/bench/scaling.py [--quick] [--only batch resolution set rounds evaluations jobs] [--out docs]

Panels: batch size, resolution, size of a memory-mapped set, rounds played, evaluations of a run, jobs side by side.
Each figure comes from a process of its own; `set` and `rounds` play tiny networks on one thread, and own memory is
RssAnon, without mapped files. Results go to data/ and images/ below --out, and replace those of the same panels. Takes
under 12 minutes on two quiet cores, and 2.5 GB of disk in TMPDIR.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from bench_data import anonymous, mapped_set
from cases import machine
from omegaconf import OmegaConf

from gan_lab.assembly.build import build
from gan_lab.callbacks.limits import Limits
from gan_lab.callbacks.run_state import RunState
from gan_lab.callbacks.status import Status
from gan_lab.callbacks.stop import Stop
from gan_lab.data.image_set import ImageSet
from gan_lab.data.stream.sampler import Batches
from gan_lab.data.stream.stretch import Stretches
from gan_lab.loggers.reporter import Reporter
from gan_lab.run.trainer import make_trainer
from gan_lab.storage.run_folder import RunFolder
from gan_lab.train import compose

TINY = ["generator.width=4", "discriminator.width=4"]
NARROW = ["generator.width=16", "discriminator.width=16"]
COLOUR = ["data=image_folder", "data.root=."]  # three channels; the folder is never read
SHAPE = (3, 64, 64)
THREADS = "OMP_NUM_THREADS"
SETTINGS = {
    "batch": {"sizes": (16, 32, 64, 128, 256), "seconds": 8},
    "resolution": {"sizes": (16, 32, 64, 128), "seconds": 8},
    "set": {"sizes": (10_000, 50_000, 200_000), "rounds": 400},
    "rounds": {"rounds": 10_000, "every": 1000},
    "evaluations": {"counts": (0, 1, 2, 5, 10), "kimg": 20, "more": ()},
    "jobs": {"counts": (1, 2, 4), "seconds": 15, "choices": (None, 1)},
}
QUICK = {
    "batch": {"sizes": (4,), "seconds": 0.2}, "resolution": {"sizes": (16,), "seconds": 0.2},
    "set": {"sizes": (300,), "rounds": 40}, "rounds": {"rounds": 100, "every": 20},
    "jobs": {"counts": (1,), "seconds": 1, "choices": (1,)},
    "evaluations": {"counts": (1,), "kimg": 0.2, "more": ("debug=tiny", "max_rounds=null")},
}  # fmt: skip


class Watch:
    """Notes the time and the process's own memory every so many rounds, and ends the run after so many seconds."""

    def __init__(self, every: int, seconds: float) -> None:
        self.every, self.seconds = every, seconds
        self.notes: list[tuple[int, float, float]] = []

    def due(self, clock) -> bool:
        return clock.iteration % self.every == 0

    def after_round(self, module) -> None:
        self.notes.append((module.clock.iteration, time.perf_counter(), anonymous()))
        if len(self.notes) > 6 and self.notes[-1][1] - self.notes[0][1] > self.seconds:
            module.trainer.should_stop = True


def train(overrides, *, batch, every, rounds=None, seconds=1e9, path=None, count=1024) -> list:
    """Train inside Lightning on noise, with the status line and a record every 50 rounds; return a Watch's notes."""
    if TINY[0] in overrides:
        torch.set_num_threads(1)  # a second one has nothing to win
    config = OmegaConf.to_container(compose(["strategy=cpu", *overrides]), resolve=True)
    parts = build(config)
    parts.machine.apply()
    if path is None:
        shape = (count, parts.source.channels, parts.source.resolution, parts.source.resolution)
        pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    else:
        pixels = mapped_set(Path(path)).images[:count]
    images = ImageSet("noise", "train", pixels, None, (), "noise")
    watch, cpu = Watch(every, seconds), torch.device("cpu")
    with tempfile.TemporaryDirectory() as folder:
        files = RunFolder(folder)
        run = RunState(files, Reporter(files), stop=Stop(max_rounds=rounds))
        limits, status = Limits(run=run), Status(run=run, every_rounds=50)
        parts.game.round_callbacks = [status, watch, limits]
        feed = Batches(images, batch_size=batch, seed=0, flip=parts.source.flip, device=cpu)
        trainer = make_trainer(config, [status, limits], folder=files.path)
        trainer.fit(parts.game, Stretches(feed))
    return watch.notes


def write_noise(path: Path, count: int) -> None:
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (count, *SHAPE))
    random = np.random.default_rng(0)
    for part in np.array_split(images, 100):  # a sparse file would be read from one page
        part[:] = random.integers(0, 256, part.shape, np.uint8)
    images.flush()


def apart(overrides: list[str], **settings) -> tuple[float, list]:
    """`train` in a process of its own: the median seconds of a round, and the notes."""
    task = json.dumps({"overrides": overrides, **settings})
    script = [sys.executable, str(Path(__file__).resolve()), "--task", task]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{task} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    notes = json.loads(done.stdout.splitlines()[-1])
    gaps = [b[1] - a[1] for a, b in pairwise(notes)]
    return statistics.median(gaps[2:]) / settings["every"], notes


def batch_size(sizes, seconds) -> list[dict]:
    taken = {n: apart(["model=dcgan"], batch=n, every=1, seconds=seconds)[0] for n in sizes}
    return [{"batch": n, "images_per_s": round(n / taken[n], 1)} for n in sizes]


def resolution(sizes, seconds) -> list[dict]:
    options = {n: ["model=dcgan", *COLOUR, f"data.resolution={n}"] for n in sizes}
    taken = {n: apart(options[n], batch=16, every=1, seconds=seconds)[0] for n in sizes}
    return [{"resolution": n, "ms_per_image": round(taken[n] / 16 * 1e3, 4)} for n in sizes]


def set_size(sizes, rounds) -> list[dict]:
    place, needed = tempfile.gettempdir(), max(sizes) * np.prod(SHAPE) / 1e9
    free = shutil.disk_usage(place).free / 1e9
    print(f"set: {needed:.1f} GB go to {place} for a while, {free:.1f} GB are free.", flush=True)
    if free < 1.2 * needed:
        raise SystemExit("set: too little; set TMPDIR to a folder on a larger disk.")
    options, found = [*COLOUR, *TINY, f"data.resolution={SHAPE[-1]}"], []
    with tempfile.TemporaryDirectory() as folder:
        write_noise(Path(folder, "images.npy"), max(sizes))
        for size in sizes:
            where = {"path": f"{folder}/images.npy", "count": size}
            taken, notes = apart(options, batch=64, every=10, rounds=rounds, **where)
            one = {"images": size, "images_per_s": round(64 / taken)}
            found.append({**one, "rss_anon_mb": statistics.median(note[2] for note in notes)})
    return found


def many_rounds(rounds, every) -> list[dict]:
    notes = apart([*TINY, "data.resolution=16"], batch=8, every=every, rounds=rounds)[1]
    return [{"rounds": n, "rss_anon_mb": memory} for n, _, memory in notes]


def command(folder: Path, *options: str) -> list[str]:
    given = ["model=dcgan", *NARROW, "logger=none", "strategy=cpu", *options]
    return [sys.executable, "-m", "gan_lab.train", *given, f"hydra.run.dir={folder}"]


def records(folder: Path) -> list[dict]:
    """Whole lines of a run's metrics.jsonl so far."""
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def images_seen(folder: Path) -> int:
    return records(folder)[-1]["images_seen"]


def evaluations(counts, kimg, more) -> list[dict]:
    """Runs of one length that evaluate `count` times, and at their start; 0 is metrics=none."""
    found = []
    with tempfile.TemporaryDirectory() as place:
        env = {**os.environ, "GAN_LAB_CACHE": f"{place}/cache"}
        run = {"check": True, "capture_output": True, "env": env}
        # The statistics of the real images are computed once on a machine, by its first run.
        subprocess.run(command(Path(place, "first"), *more, f"max_kimg={kimg / 50}"), **run)
        for count in counts:
            folder = Path(place, str(count))
            often = f"metrics.every_kimg={kimg / count:g}" if count else "metrics=none"
            since = time.perf_counter()
            subprocess.run(command(folder, *more, f"max_kimg={kimg}", often), **run)
            wall = round(time.perf_counter() - since, 2)
            scored = [r for r in records(folder) if "metric/seconds" in r]
            share = round(scored[-1]["metric/time_share"], 4) if scored else 0.0
            taken = round(sum(r["metric/seconds"] for r in scored), 3)
            one = {"evaluations": len(scored), "evaluations_s": taken, "time_share": share}
            found.append({**one, "wall_s": wall})
    return found


def jobs(counts, seconds, choices) -> list[dict]:
    """Images per second of all jobs together, with the threads of each left alone (None) or set."""
    pairs = [(count, threads) for count in counts for threads in choices]
    speeds = [round(side_by_side(*pair, seconds), 1) for pair in pairs]
    return [{"jobs": n, THREADS: t, "images_per_s": s} for (n, t), s in zip(pairs, speeds)]


def side_by_side(count: int, threads: int | None, seconds: float) -> float:
    env = {k: v for k, v in os.environ.items() if k != THREADS}
    env.update({THREADS: str(threads)} if threads else {})
    quiet = {"env": env, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    options = ("metrics=none", "max_kimg=100000", "samples.every_kimg=100000", "log_every_rounds=1")
    with tempfile.TemporaryDirectory() as place:
        folders = [Path(place, str(i)) for i in range(count)]
        running = [subprocess.Popen(command(folder, *options), **quiet) for folder in folders]
        try:
            # The window opens when the last job is past its first rounds; none ends in it.
            while not all(len(records(folder)) > 2 for folder in folders):
                if any(job.poll() is not None for job in running):
                    raise SystemExit("jobs: a run of gan_lab.train ended before it was measured.")
                time.sleep(0.1)
            before, since = sum(map(images_seen, folders)), time.perf_counter()
            time.sleep(seconds)
            return (sum(map(images_seen, folders)) - before) / (time.perf_counter() - since)
        finally:
            for job in running:
                job.kill()
                job.wait()


PANELS = {"batch": batch_size, "resolution": resolution, "set": set_size, "rounds": many_rounds,
          "evaluations": evaluations, "jobs": jobs}  # fmt: skip
LABELS = {
    "batch": "images in a batch", "resolution": "resolution (px)", "images": "images in the set", "rounds": "rounds",
    "evaluations": "evaluations, one at the start", "images_per_s": "images/s", "ms_per_image": "ms per image",
    "rss_anon_mb": "own memory (MB)", "time_share": "share of the training time", "wall_s": "whole command (s)",
}  # fmt: skip
LINES = {  # title, x, y, and perhaps a second y
    "batch": ("Batch size (DCGAN, 32 px)", "batch", "images_per_s"),
    "resolution": ("Resolution (DCGAN, batch 16)", "resolution", "ms_per_image"),
    "set": ("Memory-mapped set of 3 x 64 x 64", "images", "rss_anon_mb", "images_per_s"),
    "rounds": ("Rounds played", "rounds", "rss_anon_mb"),
    "evaluations": ("Evaluations in a run of 20 kimg", "evaluations", "time_share", "wall_s"),
}
COLOURS = ("#0072B2", "#D55E00")


def draw(results: dict, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7), layout="constrained")
    places = figure.subplots(2, 3, gridspec_kw={"hspace": 0.1})
    for axis, (name, (title, x, *ys)) in zip(places.flat, LINES.items()):
        found = results.get(name, [])
        for key, side, colour in zip(ys, (axis, axis.twinx() if len(ys) > 1 else None), COLOURS):
            values, log = [r[key] for r in found] or [1], key == "ms_per_image"
            side.plot([r[x] for r in found], values[: len(found)], "o-", color=colour)
            side.set_ylabel(LABELS[key], color=colour)
            side.set_yscale("log" if log else "linear")
            side.set_ylim(min(values) / 2 if log else 0, 1.2 * max(values))
        if name != "rounds":
            axis.set_xscale("linear" if name == "evaluations" else "log")
            axis.set_xticks([r[x] for r in found], [f"{r[x]:,}" for r in found], minor=False)
            axis.set_xticks([], minor=True)
        axis.set(title=title, xlabel=LABELS[x])
    last, found = places.flat[-1], results.get("jobs", [])
    for index, threads in enumerate(dict.fromkeys(r[THREADS] for r in found)):
        bars = [r for r in found if r[THREADS] == threads]
        style = {"label": f"{THREADS} {threads or 'not set'}", "color": COLOURS[1 - index]}
        at = [i + 0.4 * (index - 0.5) for i in range(len(bars))]
        last.bar_label(last.bar(at, [round(r["images_per_s"]) for r in bars], 0.38, **style))
        last.set_xticks(range(len(bars)), [str(r["jobs"]) for r in bars])
        last.legend(loc="upper right")
        last.margins(y=0.35)
    last.set(title="Jobs side by side (narrow DCGAN)", xlabel="jobs", ylabel="images/s of all jobs")
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny: shows that it works, no more")
    parser.add_argument("--only", nargs="+", choices=list(PANELS), default=list(PANELS))
    parser.add_argument("--out", type=Path, help="docs, or outputs/scaling with --quick")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        print(json.dumps(train(**json.loads(options.task))))
        return
    out = options.out or Path("outputs/scaling" if options.quick else "docs")
    file, picture = out / "data" / "scaling.json", out / "images" / "scaling.png"
    for place in (file.parent, picture.parent):
        place.mkdir(parents=True, exist_ok=True)
    said = "python scripts/bench/scaling.py" + " --quick" * options.quick
    results = json.loads(file.read_text())["results"] if file.is_file() else {}
    for name in options.only:
        since = time.perf_counter()
        results[name] = PANELS[name](**(QUICK if options.quick else SETTINGS)[name])
        print(
            f"{name}: {time.perf_counter() - since:.0f} s", *results[name], sep="\n  ", flush=True
        )
        content = {"command": said, "machine": machine(), "results": results}
        file.write_text(json.dumps(content, indent=1) + "\n")
    draw(results, picture)


if __name__ == "__main__":
    main()
