"""Train one network on few faces, with each augmentation and without; write the figure and table of docs/few-images.md.

python scripts/few_images.py --celeba <root> --out docs        (<root> holds celeba/)

A run that is finished in the folder of runs is read and not repeated; remove its folder to train it anew.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import torch
from torch import Tensor, nn

import gan_lab
from gan_lab.assembly.build import build_game
from gan_lab.data.pixels import finished
from gan_lab.data.stream.limited import few_rows

mpl.use("Agg")
from matplotlib import pyplot as plt

COUNTS = (100, 300, 1000)
KIMG, KEY = 60, "metric/small_frechet"
COMMON = [
    "model=dcgan", "generator.width=16", "discriminator.width=24", "discriminator.norm=none", "data=celeba",
    "data.resolution=32", "data.batch_size=16", "optimizer.generator.lr=4e-4", "optimizer.discriminator.lr=4e-4",
    "metrics.split=test", "metrics.num_samples=1000", f"max_kimg={KIMG}", "metrics.every_kimg=12",
    "samples.every_kimg=30", "strategy=cpu",
]  # fmt: skip
# The adaptive ones move as fast as a run this short needs: the papers' take 500 kimg from 0 to 1.
FAST = 8
METHODS = {
    "none": [],
    "diffaugment": ["augment=[diffaugment]"],
    "ada": ["augment=[ada]", f"augment.ada.kimg={FAST}"],
    "apa": ["augment=[apa]", f"augment.apa.kimg={FAST}"],
}
COLOURS = {"none": "black", "diffaugment": "C0", "ada": "C1", "apa": "C2"}


def options_of(method: str, count: int, root: str) -> list[str]:
    """The command line of a run, without where its results go."""
    return [*COMMON, f"data.limit={count}", *METHODS[method], f"data.root={root}"]


def train(options: list[str], folder: Path) -> None:
    """One run as a process of its own."""
    status = folder / "status.json"
    if status.is_file() and json.loads(status.read_text()).get("state") == "finished":
        return
    command = [sys.executable, "-m", "gan_lab.train", *options, "logger=none"]
    subprocess.run([*command, f"hydra.run.dir={folder}"], check=True)


@torch.no_grad()
def mean_sign(discriminator: nn.Module, images: Tensor) -> float:
    """How sure a discriminator is that images are real: 1 of all, 0 of half, -1 of none."""
    logits = [discriminator(finished(few, None)).logits for few in images.split(100)]
    return float(torch.cat(logits).sign().mean())


def row_of(method: str, count: int, folder: Path) -> dict:
    """What a finished run says, and its discriminator says of reals that it saw and did not see."""
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    scored = [record for record in records if KEY in record]
    chances = [
        record[f"measure/{method}_p"] for record in records if f"measure/{method}_p" in record
    ]
    run = gan_lab.load(folder, device="cpu", ema=False)
    _, source = build_game(run.config)
    seen = few_rows(source.load("train"), count, seed=run.config["seed"])
    discriminator = run.game.discriminator.eval()
    return {
        "method": method, "images": count,
        "command": " ".join(["python -m gan_lab.train", *options_of(method, count, "<root>")]),
        "kimg": [record["images_seen"] / 1000 for record in scored],
        "score": [record[KEY] for record in scored], "protocol": scored[-1]["protocol"],
        "sign_seen": mean_sign(discriminator, seen.columns["images"].values),
        "sign_held_out": mean_sign(discriminator, source.load("test").images),
        "p": chances[-1] if chances else None,
    }  # fmt: skip


def draw(rows: list[dict], path: Path) -> None:
    """Above the distance over training, below the signs of reals seen and held out; a column for each number."""
    figure, axes = plt.subplots(2, len(COUNTS), figsize=(10, 5.6), squeeze=False)
    for column, count in enumerate(COUNTS):
        above, below = axes[:, column]
        here = [row for row in rows if row["images"] == count]
        for place, row in enumerate(here):
            colour = COLOURS[row["method"]]
            above.plot(row["kimg"][1:], row["score"][1:], "o-", color=colour, label=row["method"])
            below.bar(place - 0.2, row["sign_seen"], 0.4, color=colour)
            below.bar(place + 0.2, row["sign_held_out"], 0.4, color=colour, alpha=0.4)
        above.set(title=f"{count:,} faces", xlabel="thousand images seen", yscale="log")
        below.set(ylim=(-1, 1.05), xticks=range(len(here)))
        below.set_xticklabels([row["method"] for row in here], rotation=20, ha="right")
        below.axhline(0, color="grey", linewidth=0.5)
    axes[0, 0].set_ylabel("small Frechet distance\nto held-out faces")
    axes[1, 0].set_ylabel("mean sign of logits: faces seen,\nand held out (pale)")
    lines, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(lines, names, loc="upper center", ncols=len(names))
    figure.tight_layout(rect=(0, 0, 1, 0.95))
    figure.savefig(path, dpi=100)
    plt.close(figure)


def table(rows: list[dict]) -> str:
    """The table of the page."""
    lines = [
        "| faces | augmentation | best small Frechet | at the end | sign, seen | sign, held out | p at the end |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        p = "-" if row["p"] is None else f"{row['p']:.2f}"
        lines.append(
            f"| {row['images']:,} | {row['method']} | {min(row['score']):.2f} | {row['score'][-1]:.2f} "
            f"| {row['sign_seen']:.2f} | {row['sign_held_out']:.2f} | {p} |"
        )
    return "\n".join(lines)


def write(rows: list[dict], out: Path) -> None:
    """The rows as JSON, the figure, and the table in the page."""
    (out / "data" / "few-images.json").write_text(json.dumps(rows, indent=1) + "\n")
    draw(rows, out / "images" / "few-images.png")
    page = out / "few-images.md"
    begin, end = "<!-- made by scripts/few_images.py -->", "<!-- end -->"
    text = page.read_text() if page.exists() else f"{begin}\n{end}\n"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.S)
    page.write_text(pattern.sub(lambda _: f"{begin}\n\n{table(rows)}\n\n{end}", text))


def main() -> None:
    """Train all, write all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--celeba", required=True, help="torchvision's root that holds celeba/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("outputs/few-images"))
    given = parser.parse_args()
    rows = []
    for count in COUNTS:
        for method in METHODS:
            folder = given.runs / f"{method}-{count}"
            train(options_of(method, count, given.celeba), folder)
            rows.append(row_of(method, count, folder))
            write(rows, given.out)


if __name__ == "__main__":
    main()
