"""Trains the same short runs with two trees of the code and compares their last checkpoints bit for bit.

python scripts/checks/bits.py 9e2ed13
python scripts/checks/bits.py <checkout> --now <checkout> --models dcgan --precisions 32-true --rounds 50

Each tree is a checkout or a commit of this repository, and trains in a process of its own with one thread; it says in
its first line where its code lies. Every tensor of the older tree must be there in the newer one and equal: weights and
buffers of the networks, averages, and what the optimizers keep. Tensors that only the newer tree has are counted. A
checkpoint is read by torch alone, so any format of it will do.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path

import torch
from states import leaves, same

HERE = Path(__file__).resolve().parents[2]
MODELS = {
    "dcgan": ["model=dcgan"],
    "wgan_gp": ["model=wgan_gp"],
    "sngan": ["model=sngan"],
}
PRECISIONS = ("32-true", "bf16-mixed")
OPTIONS = [
    "debug=tiny", "logger=none", "metrics=none", "strategy=cpu", "seed=15", "samples.every_kimg=0",
]  # fmt: skip
KINDS = ("weights and buffers", "averages", "optimizers")
TRAIN = """
import json, sys
import gan_lab
from gan_lab.train import main
print(gan_lab.__file__, flush=True)
for options in json.load(sys.stdin):
    if code := main(options):
        sys.exit(code)
"""
Tensors = dict[str, torch.Tensor]


def main() -> None:
    """Train with both, compare, print the table; the exit code is 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", help="the older tree: a checkout or a commit")
    parser.add_argument(
        "--now", default=str(HERE), help="the newer tree; this checkout unless given"
    )
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    cases = list(product(options.models, options.precisions))
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        trees = [
            checkout(tree, work / f"tree-{side}")
            for side, tree in (("before", options.before), ("now", options.now))
        ]
        folders = [work / "before", work / "now"]
        train(trees, folders, cases, rounds=options.rounds)
        print(f"\n| model | precision | {' | '.join(KINDS)} | hash of all | equal |")
        print(f"|---|---|{'---|' * len(KINDS)}---|---|")
        wrong = [case for case in cases if not told(case, folders)]
    print(f"\n{len(cases) - len(wrong)} of {len(cases)} equal after {options.rounds} rounds.")
    sys.exit(1 if wrong else 0)


def checkout(tree: str, folder: Path) -> Path:
    """The folder of a tree; a commit's files are laid into `folder`."""
    if Path(tree).is_dir():
        return Path(tree).resolve()
    done = subprocess.run(["git", "-C", str(HERE), "archive", tree], capture_output=True)
    if done.returncode:
        raise SystemExit(f"{tree} is neither a folder nor a commit of this repository.")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def train(
    trees: list[Path], folders: list[Path], cases: list[tuple[str, str]], *, rounds: int
) -> None:
    """Train all cases with each tree, both trees at once.

    Raises:
        SystemExit: with a tree's last line, where a run fails or another tree's code ran.
    """
    processes = []
    for tree, folder in zip(trees, folders, strict=True):
        folder.mkdir()
        runs = [
            [*MODELS[model], f"precision={precision}", *OPTIONS, f"max_rounds={rounds}",
             f"hydra.run.dir={folder / f'{model}-{precision}'}"]
            for model, precision in cases
        ]  # fmt: skip
        environment = {
            **os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1",
            "GAN_LAB_CACHE": str(folder / "cache"),
        }  # fmt: skip
        with (folder / "output.txt").open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", TRAIN], cwd=tree, env=environment, text=True,
                stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(json.dumps(runs))
        process.stdin.close()
        processes.append(process)
    codes = [process.wait() for process in processes]
    for tree, folder, code in zip(trees, folders, codes, strict=True):
        lines = (folder / "output.txt").read_text().strip().splitlines()
        ran = str(tree / "gan_lab" / "__init__.py")
        if code or ran not in lines:
            raise SystemExit(f"{tree}: exit code {code}: {lines[-1:]}")
        print(f"{folder.name}: {ran}")


def told(case: tuple[str, str], folders: list[Path]) -> bool:
    """Print the row of one case; whether all of it is equal."""
    before, now = (
        read(folder / "-".join(case) / "checkpoints" / "last.ckpt") for folder in folders
    )
    faults = [verdict(before[kind], now[kind]) for kind in KINDS]
    every = [(key, tensor) for kind in KINDS for key, tensor in sorted(now[kind].items())]
    equal = all(fault.startswith("equal") for fault in faults)
    row = (*case, *faults, digest(every), "yes" if equal else "NO")
    print(f"| {' | '.join(row)} |", flush=True)
    return equal


def read(path: Path) -> dict[str, Tensors]:
    """All tensors of a checkpoint by kind and place."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    found: dict[str, Tensors] = {kind: {} for kind in KINDS}
    for key, tensor in tensors_of({"networks": state["networks"], "players": state["players"]}):
        part = key.split("/")
        kind = KINDS[0] if part[1] == "networks" else KINDS[1] if part[3] == "ema" else KINDS[2]
        found[kind][key] = tensor
    return found


def tensors_of(state: object) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor of nested containers with its path."""
    for key, value in leaves(state):
        if isinstance(value, torch.Tensor):
            yield key, value


def verdict(before: Tensors, now: Tensors) -> str:
    """In a few words what became of the older tree's tensors; `equal ...` where nothing is lost or moved."""
    if not before:
        return "nothing to compare"
    unlike = [key for key, tensor in before.items() if key not in now or not same(tensor, now[key])]
    if unlike:
        return f"{len(unlike)} of {len(before)} differ, such as {unlike[0]}"
    new = len(now.keys() - before.keys())
    return f"equal ({len(before)}{f', {new} new' if new else ''})"


def digest(tensors: Iterable[tuple[str, torch.Tensor]]) -> str:
    """The first digits of a hash over places, types and bytes."""
    found = hashlib.sha256()
    for key, tensor in tensors:
        found.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:12]


if __name__ == "__main__":
    main()
