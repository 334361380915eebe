"""Times the engine's rounds against loops written by hand, in alternating blocks of one process.

    python scripts/bench_round.py --case dcgan_32 --precision bf16-mixed --alternations 15

The engine runs inside Lightning's trainer with the status line on and a record every 50 rounds, and stops every few
rounds to let the loops run. `plain` is a tutorial's loop: fp32, contiguous, torch's default Adam, an average tensor by
tensor. `expert` has the engine's own knobs (precision, channels_last, fused Adam, foreach average). All do the same
work on the same images, latents and first weights. Ratios are of CPU time, with the interval of the median by order
statistics; wall time stands beside it. `nothing` has networks of one weight: what is left is the framework's own cost.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from contextlib import nullcontext
from functools import partial

import plain_loop
import torch
from cases import CASES, game_of, images_of, machine, matrix_rate, noise_of
from counting import Spy

from gan_lab.callbacks.limits import Limits
from gan_lab.callbacks.status import Status
from gan_lab.data.sampler import Batches
from gan_lab.data.stretch import Stretches
from gan_lab.engine.ema import EMA
from gan_lab.engine.optimizers import CAPTURE_CHECKS
from gan_lab.interrupts import Interrupts
from gan_lab.loggers.reporter import Reporter
from gan_lab.run_folder import RunFolder
from gan_lab.trainer import make_trainer

FIRST = 5  # rounds whose losses are compared


class Alternate:
    """After each block of the engine's rounds, runs and times a block of each loop."""

    def __init__(self, loops, block: int, alternations: int) -> None:
        self.loops, self.block, self.left = loops, block, alternations + 1  # the first warms up
        self.times = {name: [] for name in ["engine", *loops]}

    def due(self, clock) -> bool:
        return clock.iteration % self.block == 0

    def after_round(self, module) -> None:
        if hasattr(self, "since"):
            self.note("engine", self.since)
        for name, loop in self.loops.items():
            before = now()
            for _ in range(self.block):
                next(loop)
            self.note(name, before)
        self.left -= 1
        module.trainer.should_stop = self.left < 0
        self.since = now()

    def note(self, name: str, since: tuple[float, float]) -> None:
        self.times[name].append(tuple((b - a) / self.block for a, b in zip(since, now())))


class FirstLosses:
    """Keeps the critic's losses of the first rounds."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def due(self, clock) -> bool:
        return clock.iteration <= FIRST

    def after_round(self, module) -> None:
        terms = [v for k, v in module.meter.values.items() if k.startswith("loss/discriminator/")]
        self.losses.append(sum(float(values[-1]) for values in terms))


def now() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def loop_of(case, images, *, expert: bool, precision: str, channels_last: bool, batch: int):
    """A hand-written loop over fresh copies of the case's networks."""
    game = game_of(case)
    generator, discriminator = game.generator, game.discriminator
    if expert and channels_last:
        generator.to(memory_format=torch.channels_last)
        discriminator.to(memory_format=torch.channels_last)
    every = CASES[case]["n_critic"]
    ema = EMA({"generator": generator}, half_life_kimg=10, rampup=0.05)

    def foreach_average(iteration):
        ema.update(1 - ema.decay(batch * every, batch * (iteration + 1)))

    @torch.no_grad()
    def average_by_tensor(iteration):
        decay = ema.decay(batch * every, batch * (iteration + 1))
        for average, source in zip(ema.averages, ema.sources):
            average.mul_(decay).add_(source, alpha=1 - decay)

    autocast = nullcontext
    if expert and precision == "bf16-mixed":
        autocast = partial(torch.autocast, "cpu", torch.bfloat16, cache_enabled=False)
    loop = plain_loop.wgan_gp_loop if CASES[case]["wasserstein"] else plain_loop.dcgan_loop
    feed = Batches(images, batch_size=batch, seed=0, flip=False, device=torch.device("cpu"))
    return loop(
        generator, discriminator, foreach_average if expert else average_by_tensor, iter(feed),
        noise_of(torch.device("cpu")), 10**9, autocast=autocast, fused=True if expert else None,
    )  # fmt: skip


def train(case, images, *, precision, channels_last, batch, log_every, callbacks) -> None:
    """Run the engine inside Lightning until a callback stops it."""
    game = game_of(case, precision=precision, channels_last=channels_last)
    with tempfile.TemporaryDirectory() as folder:
        limits = Limits(max_kimg=None, max_rounds=None, max_time=None, interrupts=Interrupts())
        status = Status(
            Reporter(RunFolder(folder)), every_rounds=log_every, limits=limits, board={}
        )
        game.round_callbacks = [*callbacks, status, limits]
        config = {"strategy": {"accelerator": "cpu", "devices": 1}}
        feed = Batches(images, batch_size=batch, seed=0, flip=False, device=torch.device("cpu"))
        make_trainer(config, [status, limits]).fit(game, Stretches(feed))


def median_and_interval(values: list[float]) -> list[float]:
    """Median with its interval by order statistics: 95 % or more from 15 values on."""
    values = sorted(values)
    cut = max(0, int(len(values) / 2 - 0.98 * len(values) ** 0.5))
    return [round(v, 5) for v in (statistics.median(values), values[cut], values[-1 - cut])]


def measure(case: str, *, precision: str, alternations: int, log_every: int = 50) -> dict:
    """One case in one precision; see the module's docstring."""
    about = CASES[case]
    batch, block = about["batch"], about["block"]
    channels_last = True
    images = images_of(case)
    common = {"precision": precision, "channels_last": channels_last, "batch": batch}
    loops = {"plain": loop_of(case, images, expert=False, **common)}
    loops["expert"] = loop_of(case, images, expert=True, **common)
    counted = loop_of(case, images, expert=True, **common)
    with Spy() as spy:
        first = {"counted": [float(next(counted)[0]) for _ in range(about["n_critic"])]}
    del counted
    for name, loop in loops.items():
        first[name] = [float(next(loop)[0]) for _ in range(FIRST)]
    # Networks of one weight move fast; their first losses say nothing of ours.
    seen = FirstLosses()
    alternate = Alternate(loops, block, alternations)
    train(case, images, log_every=log_every, callbacks=[seen, alternate], **common)
    times = {name: taken[1:] for name, taken in alternate.times.items()}
    result = {
        "case": case, "precision": precision, "batch": batch, "log_every": log_every,
        "threads": torch.get_num_threads(),
        "alternations": len(times["engine"]), "rounds_per_block": block,
        "gflop_per_round": round(spy.flops / about["n_critic"] / 1e9, 3),
    }  # fmt: skip
    for name, taken in times.items():
        cpu, wall = (statistics.median(t[i] for t in taken) for i in (0, 1))
        result[name] = {
            "cpu_ms": round(cpu * 1e3, 4), "wall_ms": round(wall * 1e3, 4), "images_per_s": round(batch / wall),
        }  # fmt: skip
    for name in loops:
        for index, clock in ((0, "cpu"), (1, "wall")):
            pairs = list(zip(times[name], times["engine"]))
            result[f"{name}_over_engine_{clock}"] = median_and_interval(
                [a[index] / b[index] for a, b in pairs]
            )
            if case == "nothing":
                result[f"over_{name}_us_{clock}"] = median_and_interval(
                    [(b[index] - a[index]) * 1e6 for a, b in pairs]
                )
    result["losses"] = {"engine": seen.losses, **first}
    if case != "nothing":
        rate = matrix_rate(precision)
        floor = spy.flops / about["n_critic"] / rate
        result["matrix_gflops"] = round(rate / 1e9, 1)
        result["share_of_floor"] = round(floor / (result["engine"]["wall_ms"] / 1e3), 3)
    return result


def memory(case: str, who: str, precision: str) -> dict:
    """Peak resident memory of a process that plays one party's rounds only."""
    batch, images = CASES[case]["batch"], images_of(case)
    common = {"precision": precision, "channels_last": True, "batch": batch}
    rounds = 2 * CASES[case]["n_critic"]
    if who == "engine":
        stop = Alternate({}, rounds, 0)
        train(case, images, log_every=50, callbacks=[stop], **common)
    else:
        loop = loop_of(case, images, expert=who == "expert", **common)
        for _ in range(rounds):
            next(loop)
    return {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


def without_search() -> None:
    """Let the hand-written loops skip torch's search for a GPU in each optimizer step, as the engine does."""
    for name in CAPTURE_CHECKS:
        if hasattr(torch.optim.Optimizer, name):
            setattr(torch.optim.Optimizer, name, lambda _: None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=list(CASES), default="dcgan_32")
    parser.add_argument("--precision", choices=["32-true", "bf16-mixed"], default="bf16-mixed")
    parser.add_argument("--alternations", type=int, default=15)
    parser.add_argument("--log-every", type=int, default=50)
    parser.add_argument("--memory", choices=["engine", "plain", "expert"])
    parser.add_argument(
        "--no-gpu-search", action="store_true", help="in the hand-written loops, as in the engine"
    )
    options = parser.parse_args()
    if options.no_gpu_search:
        without_search()
    if options.memory:
        print(json.dumps(memory(options.case, options.memory, options.precision)))
        return
    result = measure(
        options.case, precision=options.precision, alternations=options.alternations, log_every=options.log_every
    )  # fmt: skip
    result["gpu_search_in_loops"] = not options.no_gpu_search
    result["command"] = f"python scripts/bench_round.py {' '.join(sys.argv[1:])}"
    result["machine"] = machine()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
