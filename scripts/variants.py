"""Train every variant on the embedded images for the same number of images; write grids and a table for the docs.

python scripts/variants.py --kimg 100 --out docs            (fashion_mini, and the table of docs/variants.md)
python scripts/variants.py --kimg 6 --celeba <root> --out docs    (the same variants on CelebA faces, fewer images)
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

WIDTHS = ["generator.width=32", "discriminator.width=32"]
VARIANTS = {
    "gan": ["model=gan"],
    "dcgan": ["model=dcgan", *WIDTHS],
    "lsgan": ["model=lsgan", *WIDTHS],
    "wgan": ["model=wgan", *WIDTHS],
    "wgan_gp": ["model=wgan_gp", "generator=dcgan", "discriminator=dcgan", *WIDTHS],
}


def train(name: str, options: list[str], folder: Path) -> dict:
    """One run; returns its last metric record with its seconds."""
    shutil.rmtree(folder, ignore_errors=True)
    command = ["-m", "gan_lab.train", *options, "logger=none", "precision=bf16-mixed"]
    started = time.perf_counter()
    subprocess.run([sys.executable, *command, f"hydra.run.dir={folder}"], check=True)
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    scored = [r for r in records if "protocol" in r]
    key = "metric/small_frechet"
    return {
        "variant": name, "command": " ".join(["python", *command]), "kimg": scored[-1]["images_seen"] / 1000,
        "start": scored[0][key], "end": scored[-1][key], "best": min(r[key] for r in scored),
        "seconds": round(time.perf_counter() - started), "protocol": scored[-1]["protocol"],
    }  # fmt: skip


def table(rows: list[dict], data: str) -> str:
    """The table of docs/variants.md for one data set."""
    lines = [
        "| variant | kimg | small Frechet at 0 | at the end | best | grid |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        picture = f"![{row['variant']}](images/{data}-{row['variant']}.png)"
        lines.append(
            f"| {row['variant']} | {row['kimg']:.0f} | {row['start']:.0f} | {row['end']:.1f} "
            f"| {row['best']:.1f} | {picture} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Train all, write all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kimg", type=float, default=100)
    parser.add_argument("--celeba", type=Path, help="torchvision's root that holds celeba/")
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("outputs/variants"))
    options = parser.parse_args()
    data = "celeba" if options.celeba else "fashion_mini"
    # Small batches: WGAN moves its generator in every fifth round only, and shows little in few rounds.
    common = [f"max_kimg={options.kimg:g}", f"metrics.every_kimg={options.kimg / 5:g}"]
    common += ["samples.num=36", "data.batch_size=16"]
    if options.celeba:
        common += ["data=celeba", f"data.root={options.celeba}", "data.resolution=32"]
    rows = []
    (options.out / "images").mkdir(parents=True, exist_ok=True)
    for name in options.only:
        folder = options.runs / data / name
        rows.append(train(name, [*VARIANTS[name], *common], folder))
        grid = max((folder / "samples").glob("kimg-*.png"))
        shutil.copy(grid, options.out / "images" / f"{data}-{name}.png")
        print(rows[-1])
    (options.out / "data").mkdir(exist_ok=True)
    shown = json.dumps(rows, indent=1)
    if options.celeba:  # no path of a machine in the docs
        shown = shown.replace(f"data.root={options.celeba}", "data.root=<root>")
    (options.out / "data" / f"variants-{data}.json").write_text(shown + "\n")
    page = options.out / "variants.md"
    begin, end = f"<!-- {data}: made by scripts/variants.py -->", f"<!-- {data}: end -->"
    text = page.read_text() if page.exists() else f"{begin}\n{end}\n"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.S)
    page.write_text(pattern.sub(lambda _: f"{begin}\n\n{table(rows, data)}\n\n{end}", text))


if __name__ == "__main__":
    main()
