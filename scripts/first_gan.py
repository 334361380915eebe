"""Train the four small runs of docs/first-gan.md, draw their pictures and write their numbers into that page.

    python scripts/first_gan.py [--kimg 30] [--runs FOLDER]

Four runs of 30 kimg take five minutes on two cores. A run that is there is drawn again without being trained again.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from PIL import Image

import gan_lab
from gan_lab.media.grids import picture_of

matplotlib.use("Agg")
import matplotlib.pyplot as plt

DOCS = Path(__file__).resolve().parent.parent / "docs"
# The page shows these commands; tests/test_docs.py holds both equal.
COMMON = (
    "model=dcgan generator.width=16 discriminator.width=16 data.batch_size=32 log_every_rounds=10"
)
RUNS = {
    "healthy": "optimizer.generator.lr=4e-4",
    "collapse": "latent.dim=2 generator.norm=none discriminator.norm=none optimizer.generator.lr=2e-3",
    "divergence": "loss=wasserstein optimizer.discriminator.lr=0.5 optimizer.generator.lr=0.5",
    "strong-discriminator": "loss=minimax model.n_critic=5 optimizer.discriminator.lr=1e-3",
}
MEASURED = "metrics.every_kimg=5 metrics.num_samples=1000 logger=none"
PANELS = {
    "losses": ("loss/discriminator", "loss/generator"),
    "logits": ("logits/real", "logits/fake"),
    "gradient norms": ("grad_norm/discriminator", "grad_norm/generator"),
    "small Frechet distance": ("metric/small_frechet",),
}
COLORS = ("#0072B2", "#D55E00")
COLUMNS, ROWS = 6, 6


def train(name: str, folder: Path, kimg: float) -> None:
    """One run, unless it is there."""
    if (folder / "curves.png").exists():
        return
    options = f"{COMMON} {RUNS[name]} {MEASURED} max_kimg={kimg}".split()
    command = [sys.executable, "-m", "gan_lab.train", *options, f"hydra.run.dir={folder}"]
    subprocess.run(command, check=True)


def draw(folder: Path, path: Path) -> None:
    """Samples on the left, four panels of curves on the right."""
    figure = plt.figure(figsize=(13, 2.7), layout="constrained")
    axes = figure.subplots(1, 5, width_ratios=[1, 1.15, 1.15, 1.15, 1.15])
    axes[0].imshow(grid(folder), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes[0].set_title("samples", fontsize=9)
    axes[0].axis("off")
    found = records(folder)
    for axis, (title, keys) in zip(axes[1:], PANELS.items(), strict=True):
        for key, color in zip(keys, COLORS, strict=False):
            points = [(r["images_seen"] / 1000, r[key]) for r in found if r.get(key) is not None]
            axis.plot(*zip(*points, strict=True), color=color, label=key.rpartition("/")[2])
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("kimg", fontsize=8)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.2)
        axis.spines[["top", "right"]].set_visible(False)
        if title == "gradient norms":
            axis.set_yscale("log")
        elif len(keys) == 1:
            axis.set_ylim(bottom=0)
        if len(keys) > 1:
            axis.legend(fontsize=7, frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    Image.open(path).convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE, colors=128).save(
        path, optimize=True
    )


def grid(folder: Path) -> Any:
    """Samples of a run side by side, as bytes (H, W)."""
    images = gan_lab.load(folder, device="cpu").sample(COLUMNS * ROWS, seed=0)
    return np.asarray(picture_of(images, columns=COLUMNS).convert("L"))


def records(folder: Path) -> list[dict[str, Any]]:
    """The records of a run."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def spread(folder: Path) -> float:
    """How much two samples of a run differ: the mean difference of a pixel, in grey levels of 255."""
    images = gan_lab.load(folder, device="cpu").sample(200, seed=1) * 127.5
    return float((images[:100] - images[100:]).abs().mean())


def row(name: str, folder: Path) -> str:
    """A line of the page's table."""
    found = records(folder)
    scores = [r["metric/small_frechet"] for r in found if "metric/small_frechet" in r]
    last = [r for r in found if "grad_norm/generator" in r][-5:]
    means = [
        sum(r[key] for r in last) / len(last)
        for key in ("loss/discriminator", "loss/generator", "logits/real", "logits/fake", "grad_norm/generator")
    ]  # fmt: skip
    cells = [*means, scores[0], scores[-1], spread(folder)]
    return f"| {name} | {' | '.join(f'{cell:.3g}' for cell in cells)} |"


def main() -> None:
    """Train, draw, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kimg", type=float, default=30)
    parser.add_argument("--runs", type=Path, default=Path("outputs/first-gan"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        "| run | loss of D | loss of G | logit of reals | logit of fakes | gradient norm of G "
        "| small Frechet at 0 | at the end | difference of two samples |",
        "|" + " --- |" * 9,
    ]
    for name in RUNS:
        train(name, given.runs / name, given.kimg)
        draw(given.runs / name, DOCS / "images" / f"first-gan-{name}.png")
        lines.append(row(name, given.runs / name))
    page = DOCS / "first-gan.md"
    new = f"<!-- runs -->\n{chr(10).join(lines)}\n<!-- /runs -->"
    page.write_text(
        re.sub(r"<!-- runs -->.*<!-- /runs -->", lambda _: new, page.read_text(), flags=re.DOTALL)
    )


if __name__ == "__main__":
    main()
