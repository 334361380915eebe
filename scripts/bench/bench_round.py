"""Times the engine's rounds against loops written by hand, in alternating blocks.

    python scripts/bench/bench_round.py --case dcgan_32 --precision bf16-mixed --alternations 15

Three processes take turns, so that none inherits what another set or left behind (its memory, above all). The engine
plays inside Lightning's trainer with the status line on and a record every 50 rounds. `plain` is a tutorial's loop:
fp32, contiguous, networks of torch's usual layers, torch's default Adam, an average tensor by tensor. `expert` has the
engine's networks and its knobs (precision, channels_last, fused Adam, foreach average, memory kept). All compute the
same functions from the same images, latents and first weights. Ratios are of CPU time, with the interval of the median
by order statistics; wall time stands beside it.
`nothing` has networks of one weight: what is left is the framework's own cost; there another process alternates
between the engine as it is and the engine that records, with gradient norms, every round, and one more plays the
engine's rounds without Lightning's trainer.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
from typing import Any

import torch
from cases import CASES, machine, matrix_rate
from counting import Spy
from intervals import median_and_interval
from parties import LOOPS, loop_of, play


def alternate(
    parties: tuple[str, ...], about: dict[str, Any], alternations: int
) -> tuple[dict, dict, dict]:
    """Let the parties take turns; their CPU and wall seconds a round, first losses and peak memory by party."""
    context = multiprocessing.get_context("spawn")
    talks, processes = {}, []
    for party in parties:
        talks[party], theirs = context.Pipe()
        processes.append(context.Process(target=play, args=(party, about, theirs), daemon=True))
        processes[-1].start()
        theirs.close()  # so that a party that dies is noticed
    losses = {party: talk.recv() for party, talk in talks.items()}
    times: dict[str, list[tuple[float, float]]] = {party: [] for party in parties}
    for turn in range(alternations + 1):
        for party, talk in talks.items():
            talk.send(True)
            taken = talk.recv()
            if turn:  # the first warms up
                times[party].append(taken)
    peaks = {}
    for party, talk in talks.items():
        talk.send(False)
        peaks[party] = talk.recv()
    for process in processes:
        process.join()
    return times, losses, peaks


def work_of(case: str, precision: str) -> float:
    """FLOPs of a round: those of a cycle over its rounds, n_critic unless the case says otherwise."""
    cycle = CASES[case].get("cycle", CASES[case]["n_critic"])
    counted = loop_of(case, precision, expert=True)
    with Spy() as spy:
        for _ in range(cycle):
            next(counted)
    return spy.flops / cycle


def measure(about: dict[str, Any], alternations: int) -> dict:
    """One case in one precision; see the module's docstring."""
    case, precision = about["case"], about["precision"]
    flops = work_of(case, precision)
    rate = matrix_rate(precision)
    parties = ("engine", *LOOPS, *(["recording", "alone"] if case == "nothing" else []))
    times, losses, peaks = alternate(parties, about, alternations)
    result: dict[str, Any] = {
        "case": case, "precision": precision, "batch": CASES[case]["batch"],
        "threads": about["threads"] or torch.get_num_threads(), "alternations": alternations,
        "rounds_per_block": CASES[case]["block"], "gflop_per_round": round(flops / 1e9, 3),
    }  # fmt: skip
    more, alone = times.pop("recording", []), times.pop("alone", [])
    for party, taken in times.items():
        cpu, wall = (statistics.median(t[i] for t in taken) for i in (0, 1))
        result[party] = {
            "cpu_ms": round(cpu * 1e3, 4), "wall_ms": round(wall * 1e3, 4),
            "images_per_s": round(CASES[case]["batch"] / wall), "peak_mb": peaks[party],
        }  # fmt: skip
    for loop in LOOPS:
        pairs = list(zip(times[loop], times["engine"]))
        for index, clock in ((0, "cpu"), (1, "wall")):
            result[f"{loop}_over_engine_{clock}"] = median_and_interval(
                [a[index] / b[index] for a, b in pairs]
            )
            if case == "nothing":
                result[f"over_{loop}_us_{clock}"] = median_and_interval(
                    [(b[index] - a[index]) * 1e6 for a, b in pairs]
                )
    if more:
        for index, clock in ((0, "cpu"), (1, "wall")):
            result[f"lightning_us_{clock}"] = median_and_interval(
                [(b[index] - a[index]) * 1e6 for a, b in zip(alone, times["engine"])]
            )
            result[f"recording_each_round_us_{clock}"] = median_and_interval(
                [taken[index] * 1e6 for taken in more]
            )
    result["losses"] = losses
    if case != "nothing":
        rate = max(rate, matrix_rate(precision))  # other work may have slowed the first
        result["matrix_gflops"] = round(rate / 1e9, 1)
        result["share_of_floor"] = round(flops / rate / (result["engine"]["wall_ms"] / 1e3), 3)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=list(CASES), default="dcgan_32")
    parser.add_argument("--precision", choices=["32-true", "bf16-mixed"], default="bf16-mixed")
    parser.add_argument("--alternations", type=int, default=15)
    parser.add_argument("--threads", type=int, help="of each party; all cores as they come")
    parser.add_argument(
        "--no-gpu-search", action="store_true", help="in the hand-written loops, as in the engine"
    )
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    names = ("case", "precision", "threads", "no_gpu_search")
    result = measure({name: getattr(options, name) for name in names}, options.alternations)
    result["gpu_search_in_loops"] = not options.no_gpu_search
    result["command"] = f"python scripts/bench/bench_round.py {' '.join(sys.argv[1:])}"
    result["machine"] = machine()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
