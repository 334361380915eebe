"""Times how long people wait: for --help, the composed options, a run's first line, its first bar and its first round.

    python scripts/bench/bench_start.py [--repeats 5]

Byte code is written before, as an installation by `make setup` has it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "checks"))
from record_terminal import record

IMPORTS = {
    "import hydra": "import hydra",
    "import torch": "import torch",
    "import lightning": "import lightning.pytorch",
}
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def command(*arguments: str) -> tuple[float, float]:
    """Wall and CPU seconds of a command."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=ENVIRONMENT)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def first_round(folder: Path) -> tuple[float, float]:
    """Wall seconds from the command to its first logged round; the run is ended then."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [
            sys.executable, "-m", "gan_lab.train", "metrics=none", "logger=none", "log_every_rounds=1",
            f"hydra.run.dir={folder}",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT,
    )  # fmt: skip
    records = folder / "metrics.jsonl"
    while process.poll() is None and not (records.is_file() and records.stat().st_size):
        time.sleep(0.005)
    wall = time.perf_counter() - start
    if process.poll() is not None:
        raise SystemExit(f"the run ended with {process.returncode} before its first round")
    process.terminate()
    process.wait()
    return wall, float("nan")


def on_a_terminal(folder: Path) -> dict[str, float]:
    """Wall seconds from the command to what a person sees of a run on a terminal; the run is ended then."""
    recording = record(
        [
            sys.executable, "-m", "gan_lab.train", "logger=none", f"hydra.run.dir={folder}",
        ],
        columns=80, environment={"PYTHONDONTWRITEBYTECODE": ""},
        interrupt=lambda text: text.count("Training") >= 40,  # drawn four times a second
    )  # fmt: skip
    seen: dict[str, float] = {}
    bars: dict[str, set[str]] = {"a bar moves": set(), "the bar of training moves": set()}
    for seconds, rows in recording.screens():
        if rows:
            seen.setdefault("first line", seconds)
        drawn = [row for row in rows if row.endswith("%") and ("━" in row or "─" in row)]
        for what, rows_of_it in bars.items():
            rows_of_it |= {row for row in drawn if what == "a bar moves" or "Training" in row}
            if len(rows_of_it) >= 2:
                seen.setdefault(what, seconds)
    return seen


def measure(repeats: int = 5) -> list[dict]:
    """Medians over repeats, the first of each left out."""
    works = {
        "--help": lambda: command("-m", "gan_lab.train", "--help"),
        "--cfg job": lambda: command("-m", "gan_lab.train", "--cfg", "job"),
        **{name: lambda code=code: command("-c", code) for name, code in IMPORTS.items()},
    }
    results = []
    with tempfile.TemporaryDirectory() as root:
        folders = (Path(root) / str(i) for i in range(10**6))
        works["first round of model=dcgan, metrics=none"] = lambda: first_round(next(folders))
        seen = [on_a_terminal(next(folders)) for _ in range(repeats + 1)][1:]
        for name in ("first line", "a bar moves", "the bar of training moves"):
            wall = round(statistics.median(one[name] for one in seen), 3)
            results.append({"what": f"on a terminal: {name}", "wall_s": wall, "cpu_s": None})
        for name, work in works.items():
            taken = [work() for _ in range(repeats + 1)][1:]
            wall, cpu = (round(statistics.median(t[i] for t in taken), 3) for i in (0, 1))
            results.append({"what": name, "wall_s": wall, "cpu_s": None if cpu != cpu else cpu})
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    for result in measure(parser.parse_args().repeats):
        print(json.dumps(result))


if __name__ == "__main__":
    main()
