"""Everything that wants a GPU, in one go: the flagship run, bf16, resume, evaluation; results as JSON and PNG.

    python scripts/gpu_session.py --data <folder with celeba/ and inception/> --minutes 5 --out docs/data/gpu
    python scripts/gpu_session.py --tiny --out <folder>       the same at tiny size, on the CPU

Runs wgan_gp on CelebA at 64 px in bf16 with the Frechet distance at 768 features (the partial Inception weights),
stops half-way, resumes, evaluates the last checkpoint again, and says whether the value is the run's own. Then
bench_gpu.py times rounds in every mode.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path


def call(*arguments: str) -> float:
    """Run a command of gan_lab; returns its seconds, ends this script with its message where it fails."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", *arguments], check=False)
    if done.returncode:
        raise SystemExit(f"python -m {' '.join(arguments)} ended with exit code {done.returncode}.")
    return time.perf_counter() - started


def main() -> None:
    """Run it all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder that holds celeba/ and inception/")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--tiny", action="store_true", help="seconds, on the CPU, with embedded data"
    )
    options = parser.parse_args()
    run = options.out / "run"
    shutil.rmtree(run, ignore_errors=True)
    options.out.mkdir(parents=True, exist_ok=True)
    command = [
        "model=wgan_gp",
        "precision=bf16-mixed",
        "engine.cuda_graphs=auto",
        "logger=none",
        f"hydra.run.dir={run}",
    ]
    if options.tiny:
        command += [
            "generator=dcgan", "discriminator=dcgan", "generator.width=8", "discriminator.width=8",
            "data.batch_size=16", "metrics=small", "metrics.num_samples=64", "metrics.num_reals=64", "strategy=cpu",
        ]  # fmt: skip
        half, whole = ["max_kimg=0.2"], ["max_kimg=0.4"]
        metric = ["metrics=small", "metrics.num_samples=64", "metrics.num_reals=64"]
    else:
        weights = next((options.data / "inception").glob("*.pth"))
        metric = [
            "metrics=fid", "metrics.fid.feature=768", f"metrics.weights={weights}", "metrics.num_samples=5000",
        ]  # fmt: skip
        command += [
            "data=celeba", f"data.root={options.data}", "data.resolution=64", "strategy=gpu", "metrics.every_kimg=100",
            "max_kimg=100000", *metric,
        ]  # fmt: skip
        half, whole = [f"max_time={options.minutes / 2}"], [f"max_time={options.minutes / 2}"]
    seconds = {"first half": call("gan_lab.train", *command, *half)}
    seconds["second half"] = call("gan_lab.train", f"resume={run}", *whole)
    again = options.out / "evaluation.json"
    seconds["evaluation"] = call("gan_lab.evaluate", f"run={run}", *metric, f"out={again}")
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    scored = [r for r in records if "protocol" in r]
    environment = json.loads((run / "environment.json").read_text())
    result = {
        "command": "python scripts/gpu_session.py " + " ".join(sys.argv[1:]),
        "train": ["python -m gan_lab.train", *command],
        "seconds": seconds,
        "environment": {
            k: environment[k] for k in ("versions", "gpu", "device", "precision", "commit")
        },
        "last": scored[-1],
        "evaluated_again": json.loads(again.read_text()),
        "images_per_s": statistics.median(
            r["speed/images_per_s"] for r in records if "speed/images_per_s" in r
        ),
    }
    (options.out / "session.json").write_text(json.dumps(result, indent=1) + "\n")
    bench = [
        sys.executable,
        str(Path(__file__).parent / "bench" / "bench_gpu.py"),
        "--out",
        str(options.out / "bench.json"),
    ]
    subprocess.run([*bench, "--tiny"] if options.tiny else bench, check=True)
    grid = max((run / "samples").glob("kimg-*.png"))
    shutil.copy(grid, options.out / "samples.png")
    print(f"Results: {options.out}")


if __name__ == "__main__":
    main()
