"""Compares what a round costs in this checkout with another one, such as a worktree of an older commit.

    python scripts/bench/bench_trees.py --before <checkout> [--case dcgan_32 wgan_gp_32] [--alternations 31]

Each checkout's engine plays the case of its own bench_round.py in a process of its own, and the two take turns block by
block. Ratios are now over before, of neighbouring blocks: below 1 is faster. The first losses must be equal.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from cases import CASES, machine
from intervals import median_and_interval
from tables import table

HERE = Path(__file__).resolve().parents[2]
# What a process of either checkout runs: its engine's turns, told and asked in lines of JSON.
CHILD = """
import json, os, sys
out = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)
class Talk:
    def send(self, what):
        out.write(json.dumps(what) + "\\n")
    def recv(self):
        return json.loads(sys.stdin.readline())
sys.path.insert(0, sys.argv[1])
import parties
parties.play("engine", json.loads(sys.argv[2]), Talk())
"""


class Tree:
    """The engine of one checkout, which plays a block when it is told to."""

    def __init__(self, tree: Path, about: dict) -> None:
        found = sorted((tree / "scripts").rglob("parties.py"))
        if not found:
            raise SystemExit(f"{tree} has no scripts with parties.py.")
        command = [sys.executable, "-c", CHILD, str(found[0].parent), json.dumps(about)]
        self.process = subprocess.Popen(
            command, cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.losses = self.answer()

    def answer(self):
        """What the process says next."""
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("A process that plays the rounds has ended.")
        return json.loads(line)

    def ask(self, more: bool):
        """Let it play a block, and give its CPU and wall seconds of a round; or let it end."""
        self.process.stdin.write(json.dumps(more) + "\n")
        self.process.stdin.flush()
        return self.answer()


def compare(case: str, options: argparse.Namespace) -> dict:
    """One case's row."""
    about = {"case": case, "precision": options.precision, "threads": options.threads}
    about["no_gpu_search"] = False
    trees = {"now": Tree(HERE, about), "before": Tree(options.before, about)}
    if trees["now"].losses != trees["before"].losses:
        print(f"{case}: the first losses differ: {[one.losses for one in trees.values()]}")
    taken: dict[str, list[list[float]]] = {name: [] for name in trees}
    for turn in range(options.alternations + 1):
        for name in list(trees) if turn % 2 else list(trees)[::-1]:
            seconds = trees[name].ask(True)
            if turn:
                taken[name].append(seconds)
    for tree in trees.values():
        tree.ask(False)
        tree.process.wait()
    row: dict = {"case": case, "precision": options.precision}
    row["equal_losses"] = trees["now"].losses == trees["before"].losses
    for index, clock in enumerate(("cpu", "wall")):
        for name in trees:
            seconds = [one[index] for one in taken[name]]
            row[f"{name}_{clock}_ms"] = round(1e3 * statistics.median(seconds), 4)
        pairs = zip(taken["now"], taken["before"], strict=True)
        row[f"{clock}_ratio"] = median_and_interval([a[index] / b[index] for a, b in pairs])
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, required=True, help="another checkout")
    parser.add_argument("--case", nargs="*", choices=list(CASES), default=["nothing", "dcgan_32"])
    parser.add_argument("--precision", choices=["32-true", "bf16-mixed"], default="bf16-mixed")
    parser.add_argument("--alternations", type=int, default=31)
    parser.add_argument("--threads", type=int, help="of each process; all cores as they come")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    options.before = options.before.resolve()
    rows = []
    for case in options.case:
        rows.append(compare(case, options))
        print(json.dumps(rows[-1]), flush=True)
    keys = ("case", "now_cpu_ms", "before_cpu_ms", "cpu_ratio", "wall_ratio", "equal_losses")
    print(table(keys, [[row[key] for key in keys] for row in rows]))
    if options.out:
        content = {"command": f"python scripts/bench/bench_trees.py {' '.join(sys.argv[1:])}"}
        content |= {"machine": machine(), "alternations": options.alternations, "results": rows}
        options.out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
