"""Modes that each loss and remedy covers, over three seeds, on a ring of 8 Gaussians and a grid of 25.

python scripts/modes.py --out docs                        (all)
python scripts/modes.py --out docs --only gan pacgan      (some of them; the table keeps its other rows)

Every run has the same networks, rates, latents and rounds. Results that are in the folder of runs are read.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import statistics
import time
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from omegaconf import OmegaConf

from gan_lab.assembly.build import build
from gan_lab.data.stream.sampler import Batches
from gan_lab.generation.sampling import EVALUATION_SEED, Sampler
from gan_lab.metrics.modes import nearest_modes
from gan_lab.train import compose

mpl.use("Agg")
from matplotlib import pyplot as plt

ROUNDS, BATCH, SAMPLES, SEEDS = 2000, 64, 2500, (0, 1, 2)
COMMON = [
    "generator=mlp", "generator.width=128", "discriminator=perceptron", "discriminator.width=256",
    "latent=normal", "latent.dim=32", "metrics=modes", f"data.batch_size={BATCH}", "precision=32-true", "strategy=cpu",
    "optimizer@optimizer.generator=adam", "optimizer@optimizer.discriminator=adam",
    "optimizer.generator.lr=1e-3", "optimizer.discriminator.lr=1e-3",
    "optimizer.generator.betas=[0.5,0.9]", "optimizer.discriminator.betas=[0.5,0.9]",
    f"max_rounds={ROUNDS}", "max_kimg=null",
]  # fmt: skip
SETS = {
    "ring": ["data=gaussians"],
    "grid": ["data=gaussians", "data.shape=grid", "data.count=25"],
}
SLOWER = "optimizer.discriminator.lr=3e-4"
METHODS = {
    "gan": ["model=dcgan"],
    "gan, slow": ["model=dcgan", SLOWER],  # what unrolled would be without its steps ahead
    "unrolled": ["model=unrolled_gan", "model.unroll=5", "model.rate=0.01", SLOWER],
    "pacgan": ["model=pacgan", "model.pack=2"],
    "minibatch": ["model=dcgan", "auxiliary=[minibatch_discrimination]"],
    "wgan_gp": ["model=wgan_gp", "model.n_critic=1", "penalty.gradient_penalty.weight=0.1"],
    "relativistic r1 r2": [
        "model=dcgan", "loss=relativistic", "penalty=[r1,r2]", "penalty.r1.weight=0.1", "penalty.r2.weight=0.1",
    ],
}  # fmt: skip


def options_of(method: str, points: str) -> list[str]:
    """The command line of a run."""
    return [*COMMON, *METHODS[method], *SETS[points]]


def trained(options: list[str], seed: int) -> tuple[torch.Tensor, dict]:
    """Points (N, 2) of a trained generator, and what they cover.

    The rounds are those of `python -m gan_lab.train`, without what happens beside them.
    """
    config: Any = OmegaConf.to_container(
        compose([*options, f"seed={seed}", "logger=none"]), resolve=True
    )
    parts = build(config)
    game, source, start = parts.game, parts.source, time.process_time()
    game.configure_optimizers()
    cpu = torch.device("cpu")
    stream = Batches(source.load("train"), batch_size=BATCH, seed=seed, flip=False, device=cpu)
    for number, batch in enumerate(itertools.islice(stream, ROUNDS)):
        game.play_round(batch)
        if number % 50 == 0:
            game.read_meter()  # which keeps what it was given until then
    sampler = Sampler(game, game.averaged_networks(), seed=EVALUATION_SEED)
    points = sampler(0, SAMPLES).flatten(1)
    nearest, near = nearest_modes(points, source.centres, reach=3 * source.deviation)
    row = {
        "modes": len(nearest[near].unique()), "of": source.count, "high_quality": float(near.float().mean()),
        "seconds": round(time.process_time() - start, 1),
    }  # fmt: skip
    return points, row


def measured(method: str, points: str, runs: Path) -> list[dict]:
    """A row for each seed; trained where it is not there yet."""
    rows = []
    for seed in SEEDS:
        slug = re.sub(r"\W+", "-", method)
        file = runs / f"{slug}-{points}-{seed}.json"
        if not file.exists():
            found, row = trained(options_of(method, points), seed)
            shown = [[round(x, 4), round(y, 4)] for x, y in found[:1000].tolist()]
            row |= {"method": method, "set": points, "seed": seed, "points": shown}
            file.write_text(json.dumps(row))
            said = f"{row['modes']} of {row['of']}, {row['high_quality']:.2f}, {row['seconds']} s"
            print(f"{method} {points} seed {seed}: {said}", flush=True)
        rows.append(json.loads(file.read_text()))
    return rows


def draw(rows: list[dict], path: Path) -> None:
    """The samples of the first seed, a column for each method and a row for each set."""
    methods = [m for m in METHODS if any(row["method"] == m for row in rows)]
    size = (1.9 * len(methods), 0.3 + 1.95 * len(SETS))
    figure, axes = plt.subplots(len(SETS), len(methods), figsize=size, squeeze=False)
    for (r, points), (c, method) in itertools.product(enumerate(SETS), enumerate(methods)):
        axis = axes[r, c]
        axis.set(xlim=(-1, 1), ylim=(-1, 1), xticks=[], yticks=[], aspect="equal")
        here = [row for row in rows if row["method"] == method and row["set"] == points]
        if not here:
            continue
        x, y = zip(*here[0]["points"], strict=True)
        axis.scatter(x, y, s=1, color="black", alpha=0.3, linewidths=0)
        counts = ", ".join(str(row["modes"]) for row in here)
        axis.set_xlabel(f"{counts} of {here[0]['of']}", fontsize=8)
        if r == 0:
            axis.set_title(method, fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def table(rows: list[dict]) -> str:
    """The table of the page."""
    lines = [
        "| method | set | modes of three seeds | samples of high quality | seconds | options |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for method, points in itertools.product(METHODS, SETS):
        here = [row for row in rows if row["method"] == method and row["set"] == points]
        if here:
            modes = ", ".join(str(row["modes"]) for row in here)
            quality = statistics.mean(row["high_quality"] for row in here)
            seconds = statistics.mean(row["seconds"] for row in here)
            lines.append(
                f"| {method} | {points} | {modes} of {here[0]['of']} | {quality:.0%} | {seconds:.0f} "
                f"| `{' '.join(METHODS[method])}` |"
            )
    return "\n".join(lines)


def write(rows: list[dict], out: Path) -> None:
    """The rows as JSON, the figure, and the table in the page."""
    kept = [{key: value for key, value in row.items() if key != "points"} for row in rows]
    (out / "data" / "modes.json").write_text(json.dumps(kept, indent=1) + "\n")
    draw(rows, out / "images" / "modes.png")
    page = out / "modes.md"
    begin, end = "<!-- made by scripts/modes.py -->", "<!-- end -->"
    text = page.read_text() if page.exists() else f"{begin}\n{end}\n"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.S)
    page.write_text(pattern.sub(lambda _: f"{begin}\n\n{table(rows)}\n\n{end}", text))


def main() -> None:
    """Train all, write all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--runs", type=Path, default=Path("outputs/modes"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.runs.mkdir(parents=True, exist_ok=True)
    rows = []
    for points, method in itertools.product(SETS, given.only):
        rows += measured(method, points, given.runs)
        write(rows, given.out)


if __name__ == "__main__":
    main()
