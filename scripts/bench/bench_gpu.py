"""Rounds on a GPU: a tutorial's loop against the engine eagerly, compiled, and with captured steps; `make bench-gpu`.

    python scripts/bench/bench_gpu.py --out docs/data/gpu/bench.json [--cases mlp_28 dcgan_32 dcgan_64 wgan_gp_32]
    python scripts/bench/bench_gpu.py --tiny --out <file>      the same script on the CPU at tiny size, without graphs

The baseline is fp32, contiguous, torch's default Adam, with TF32 on, and so is TF32 in the engine. For each case: time
of a round in each mode (blocks alternate, synchronised at their ends), images/s, the share of the floor (FLOPs over the
rate of a large bf16 product), whether ten captured rounds end in the weights of ten eager ones, and whether the loader
keeps up. At the end a whole evaluation of 50,000 generated images at 2048 features, with drawn weights.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import plain_loop
import torch
from bench_evaluation import drawn_weights
from cases import CASES, game_of, images_of, machine, matrix_rate, noise_of
from counting import Spy
from ordinary import make_ordinary

from gan_lab.data.stream.sampler import Batches
from gan_lab.generation.sampling import Sampler
from gan_lab.metrics.fid import Fid
from gan_lab.metrics.together import Metrics
from gan_lab.metrics.views import Conditions
from gan_lab.process.machine import Machine

MODES = {
    "engine, fp32": {},
    "engine, bf16": {"precision": "bf16-mixed", "channels_last": True},
    "engine, bf16, compiled": {"precision": "bf16-mixed", "channels_last": True, "compile": True},
    "engine, fp32, captured": {"capture": True},
    "engine, bf16, captured": {"precision": "bf16-mixed", "channels_last": True, "capture": True},
    "engine, bf16, compiled, captured": {
        "precision": "bf16-mixed", "channels_last": True, "compile": True, "capture": True,
    },
}  # fmt: skip


class Rounds:
    """A game at play, without a trainer."""

    def __init__(self, case: str, device: torch.device, batch: int, **options) -> None:
        self.said: list[str] = []
        self.game = game_of(case, **options).to(device)
        self.game.say = self.said.append
        self.game.configure_optimizers()
        self.stream = iter(
            Batches(images_of(case), batch_size=batch, seed=0, flip=False, device=device)
        )

    def __next__(self) -> None:
        self.game.play_round(next(self.stream))
        if self.game.clock.iteration % 50 == 0:
            self.game.read_meter()


def plain(case: str, device: torch.device, batch: int):
    """The tutorial's loop on the same device, with networks of torch's usual layers."""
    game = game_of(case).to(device)
    make_ordinary(game)
    average = [p.detach().clone() for p in game.generator.parameters()]

    @torch.no_grad()
    def follow(_iteration):
        for mine, source in zip(average, game.generator.parameters()):
            mine.mul_(0.999).add_(source, alpha=0.001)

    feed = Batches(images_of(case), batch_size=batch, seed=0, flip=False, device=device)
    loop = plain_loop.wgan_gp_loop if CASES[case]["wasserstein"] else plain_loop.dcgan_loop
    return loop(
        game.generator, game.discriminator, follow, iter(feed), noise_of(device), 10**9,
        autocast=nullcontext, fused=None,
    )  # fmt: skip


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def same_weights(case: str, device: torch.device, batch: int, **options) -> float:
    """Largest difference of any weight after ten rounds, captured against eager, relative to the largest move."""
    found = []
    for capture in (False, True):
        rounds = Rounds(case, device, batch, capture=capture, **options)
        start = [p.detach().clone() for p in rounds.game.parameters()]
        for _ in range(10 * CASES[case]["n_critic"]):
            next(rounds)
        found.append([p.detach() - s for p, s in zip(rounds.game.parameters(), start)])
    move = max(float(m.abs().max()) for m in found[0])
    return max(float((a - b).abs().max()) for a, b in zip(*found)) / move


def measure(case: str, device: torch.device, *, batch: int, block: int, alternations: int) -> dict:
    """One case in all modes."""
    modes = {k: v for k, v in MODES.items() if device.type == "cuda" or not v.get("capture")}
    loops = {"plain, fp32": plain(case, device, batch)}
    loops |= {name: Rounds(case, device, batch, **options) for name, options in modes.items()}
    with Spy() as spy:
        for _ in range(CASES[case]["n_critic"]):
            next(loops["engine, fp32"])
    flops = spy.flops / CASES[case]["n_critic"]
    times: dict[str, list[float]] = {name: [] for name in loops}
    for turn in range(alternations + 1):
        for name, loop in loops.items():
            count = (
                block if turn else max(block, 12 * CASES[case]["n_critic"])
            )  # compile, record, prove
            synchronise(device)
            start = time.perf_counter()
            for _ in range(count):
                next(loop)
            synchronise(device)
            if turn:
                times[name].append((time.perf_counter() - start) / count)
    rate = matrix_rate("bf16-mixed", 8192 if device.type == "cuda" else 512, device)
    result = {
        "case": case,
        "batch": batch,
        "gflop_per_round": round(flops / 1e9, 3),
        "matrix_tflops": rate / 1e12,
    }
    base = times["plain, fp32"]
    for name, taken in times.items():
        seconds = statistics.median(taken)
        result[name] = {
            "ms": seconds * 1e3, "images_per_s": round(batch / seconds),
            "times_plain": statistics.median(b / t for b, t in zip(base, taken)),
            "share_of_floor": flops / rate / seconds, "said": getattr(loops[name], "said", []),
        }  # fmt: skip
    if device.type == "cuda":
        result["captured_against_eager"] = {
            "fp32": same_weights(case, device, batch),
            "bf16": same_weights(case, device, batch, precision="bf16-mixed", channels_last=True),
        }
    feed = iter(Batches(images_of(case), batch_size=batch, seed=0, flip=True, device=device))
    next(feed)
    synchronise(device)
    start = time.perf_counter()
    for _ in range(block):
        next(feed)
    synchronise(device)
    result["loader_images_per_s"] = round(block * batch / (time.perf_counter() - start))
    return result


class Noise:
    """A data set of noise, for statistics of reals."""

    splits = ("train",)

    @property
    def facts(self) -> dict[str, int]:
        """Size and colours of its images."""
        return {"resolution": 64, "channels": 3}

    def load(self, _split: str):
        return images_of("dcgan_64")


def evaluation(device: torch.device, count: int, folder: Path) -> dict:
    """Seconds of a whole evaluation of a dcgan 64, at its defaults but for the weights."""
    os.environ["GAN_LAB_CACHE"] = str(folder)
    reals = 4096 if device.type == "cuda" else count
    drawn_weights(folder)
    conditions = Conditions(num_reals=reals, weights=str(folder / "drawn.pth"))
    metrics = Metrics([Fid(num_samples=count)], conditions)
    metrics.prepare(Noise(), device)
    game = game_of("dcgan_64").to(device)
    found = metrics.score(Sampler(game, game.averaged_networks(), batch_norm="running"))
    return {"images": count, "batch": metrics.batch_size, "seconds": found[metrics.key].seconds}


def main() -> None:
    """Measure every case and write the JSON after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--cases", nargs="+", default=["mlp_28", "dcgan_32", "dcgan_64", "wgan_gp_32"]
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tiny", action="store_true", help="seconds, on the CPU")
    options = parser.parse_args()
    if not options.tiny and not torch.cuda.is_available():
        sys.exit("make bench-gpu: torch sees no GPU on this machine; make bench measures the CPU.")
    device = torch.device("cpu" if options.tiny else "cuda")
    Machine(
        device.type, "32-true", "contiguous", tf32=True, compile=False, cuda_graphs=False
    ).apply()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    about = machine()
    if device.type == "cuda":
        about["gpu"] = torch.cuda.get_device_name()
    result = {
        "command": f"python scripts/bench/bench_gpu.py {' '.join(sys.argv[1:])}",
        "machine": about,
        "tf32": True,
        "rounds": [],
    }
    for case in ["mlp_28"] if options.tiny else options.cases:
        batch = 8 if options.tiny else (128 if case == "dcgan_64" else 64)
        size = (
            {"block": 2, "alternations": 1} if options.tiny else {"block": 100, "alternations": 5}
        )
        result["rounds"].append(measure(case, device, batch=batch, **size))
        options.out.write_text(json.dumps(result, indent=1) + "\n")
    with tempfile.TemporaryDirectory() as folder:
        result["evaluation"] = evaluation(device, 8 if options.tiny else 50_000, Path(folder))
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
