"""Train every variant, each by a recipe for a few minutes of one core; write grids and tables for docs/variants.md.

python scripts/variants.py --out docs                          (the embedded clothes)
python scripts/variants.py --out docs --celeba <root>          (faces; <root> holds celeba/)
python scripts/variants.py --out docs --only gan sngan         (some of them; the table keeps its other rows)

A run that is finished in the folder of runs is read and not repeated; remove its folder to train it anew.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
from pathlib import Path

from gan_lab.media.frames import enlarged_picture
from gan_lab.media.grid_facts import corner, read_samples

ROWS, SCALE = 3, 3  # rows of a grid that the docs show, and how many times larger
KEY = "metric/small_frechet"
CPU = "cpu_seconds.json"

DCGAN_SIZED = [
    "generator=dcgan", "discriminator=dcgan", "generator.width=32", "discriminator.width=32", "data.batch_size=16"
]  # fmt: skip
ADAM = ["optimizer@optimizer.generator=adam", "optimizer@optimizer.discriminator=adam"]
FASTER_GENERATOR = ["optimizer.generator.lr=4e-4"]


def rates(value: str) -> list[str]:
    """One rate for both players."""
    return [f"optimizer.{player}.lr={value}" for player in ("generator", "discriminator")]


# Narrow networks of the families with styles and growth; a run of 48 kimg doubles twice, from 8 to 32 px.
NARROW = [
    "generator.width=16", "generator.max_width=128", "discriminator.width=16", "discriminator.max_width=128",
    "latent.dim=128", "data.batch_size=16", "ema.half_life_kimg=3",
]  # fmt: skip
STYLES = ["generator.style_dim=128", "generator.mapping_layers=2"]
GROWTH = ["model.first=8", "model.phase_kimg=8", "model.fade_kimg=8"]

THIN = [
    f"{player}.{width}"
    for player in ("generator", "discriminator")
    for width in ("width=16", "max_width=128")
]
TOKENS = [
    f"{player}.{size}" for player in ("generator", "discriminator") for size in ("width=64", "depth=3", "head_width=16")
]  # fmt: skip


# What each variant takes, whatever it is trained on.
RECIPES = {
    "gan": ["model=gan", *ADAM, "generator.width=512", "discriminator.width=128", "data.batch_size=32"],
    "dcgan": ["model=dcgan", *DCGAN_SIZED, *FASTER_GENERATOR],
    "lsgan": ["model=lsgan", *DCGAN_SIZED, *FASTER_GENERATOR],
    "wgan": ["model=wgan", *DCGAN_SIZED, *rates("5e-4"), "model.n_critic=1", "penalty.weight_clipping.bound=0.03"],
    "wgan_gp": [
        "model=wgan_gp", *DCGAN_SIZED, *rates("1e-3"), "model.n_critic=1", "penalty.gradient_penalty.every=4",
        "optimizer.generator.betas=[0.0,0.99]", "optimizer.discriminator.betas=[0.0,0.99]",
    ],
    "sngan": ["model=sngan", *DCGAN_SIZED, *rates("5e-4"), "model.n_critic=1"],
    "progressive": ["model=progressive", *NARROW, *GROWTH, "penalty.gradient_penalty.every=4"],
    "stylegan": ["model=stylegan", *NARROW, *STYLES, *GROWTH, "penalty.r1.weight=0.2", "penalty.r1.every=8"],
    "stylegan2": ["model=stylegan2", *NARROW, *STYLES, "penalty=[r1]", "penalty.r1.weight=0.2"],
    "r3gan": ["experiment=r3gan_small"],
    "gat": ["experiment=gat_small"],
    "transgan": [
        "model=transgan", "generator.width=16", "generator.depths=[1]", "generator.head_width=16",
        "discriminator.width=64", "discriminator.depths=[1,1,1]", "discriminator.head_width=16", "latent.dim=64",
        "data.batch_size=16", *rates("5e-4"), "model.n_critic=1", "model.generator_batch=1",
        "penalty.gradient_penalty.every=4", "ema.half_life_kimg=2",
    ],
    "adversarial_flow": [
        "model=adversarial_flow", *TOKENS, "data.batch_size=16", *rates("1e-3"), "ema.half_life_kimg=2",
        "auxiliary.transport.weight={schedule: cosine, start: 0.2, end: 0.005, kimg: 40}",
    ],
    "fastgan": ["model=fastgan", *THIN, "latent.dim=64", "data.batch_size=16", *rates("5e-4")],
    "projected_gan": [
        "model=projected_gan", "generator.width=16", "generator.max_width=128", "discriminator.width=32",
        "latent.dim=64", "data.batch_size=16", *rates("5e-4"),
    ],
    "unet": [
        "model=dcgan", "loss=hinge", "discriminator=unet", "auxiliary=[cutmix]", "generator.width=32",
        "discriminator.width=16", "discriminator.max_width=128", "data.batch_size=16", *rates("4e-4"),
    ],
}  # fmt: skip
FACES = {
    "wgan": ["experiment=faces_wgan"], "wgan_gp": ["experiment=faces"], "stylegan2": ["experiment=stylegan2_small"]
}  # fmt: skip
GROWN = {"progressive": 48, "stylegan": 48}
KIMG = {
    "fashion_mini": {
        "gan": 60, "dcgan": 30, "lsgan": 30, "wgan": 30, "wgan_gp": 30, "sngan": 30, "stylegan2": 30, **GROWN,
        "transgan": 30, "adversarial_flow": 40, "fastgan": 30, "projected_gan": 30, "unet": 30,
    },
    "celeba": {"gan": 60, "dcgan": 30, "lsgan": 30, "sngan": 30, **GROWN},  # of experiments, their own
}  # fmt: skip


def options_of(name: str, data: str, root: Path | None) -> list[str]:
    """The command line of a variant on a data set, without what changes where results go alone."""
    kimg = KIMG[data].get(name)
    found = RECIPES[name] if data != "celeba" else FACES.get(name, RECIPES[name])
    if kimg is not None:
        found = [*found, f"max_kimg={kimg}", f"metrics.every_kimg={kimg / 3:g}"]
    if data == "celeba":
        wanted = [] if name in FACES else ["data=celeba", "data.resolution=32"]
        found = [*found, *wanted, f"data.root={root}"]
    return found


def train(options: list[str], folder: Path) -> None:
    """One run as a process of its own; its seconds of all cores together stay in its folder."""
    before = _cpu_of_children()
    command = [sys.executable, "-m", "gan_lab.train", *options, "logger=none"]
    subprocess.run([*command, f"hydra.run.dir={folder}"], check=True)
    (folder / CPU).write_text(json.dumps(round(_cpu_of_children() - before)))


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def row_of(name: str, options: list[str], folder: Path) -> dict:
    """What the records of a finished run say."""
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    scored = [record for record in records if "protocol" in record]
    return {
        "variant": name, "command": " ".join(["python -m gan_lab.train", *options]),
        "kimg": scored[-1]["images_seen"] / 1000, "cpu_seconds": json.loads((folder / CPU).read_text()),
        "start": scored[0][KEY], "end": scored[-1][KEY], "protocol": scored[-1]["protocol"],
    }  # fmt: skip


def is_finished(folder: Path) -> bool:
    """Whether a run ended as it should, and its seconds are known."""
    status = folder / "status.json"
    ended = status.is_file() and json.loads(status.read_text()).get("state") == "finished"
    return ended and (folder / CPU).is_file()


def save_picture(folder: Path, path: Path) -> None:
    """The first rows of the last grid, enlarged."""
    samples, facts = read_samples(max((folder / "samples").glob("kimg-*.png")))
    own = corner(samples, facts)
    height = ROWS * (facts.tile[1] + 1) - 1
    enlarged_picture(own.crop((0, 0, own.width, height)), SCALE).save(path, optimize=True)


def table(rows: list[dict], data: str) -> str:
    """The table of docs/variants.md for one data set."""
    lines = [
        "| variant | kimg | seconds of one core | images/s | small Frechet at 0 | at the end | samples |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        picture = f"![{row['variant']}](images/{data}-{row['variant']}.png)"
        seconds = row["cpu_seconds"]
        lines.append(
            f"| {row['variant']} | {row['kimg']:.0f} | {seconds} | {1000 * row['kimg'] / seconds:.0f} "
            f"| {row['start']:.0f} | {row['end']:.2g} | {picture} |"
        )
    return "\n".join(lines)


def write(rows: list[dict], data: str, out: Path) -> None:
    """The rows as JSON and in the page; rows of other variants that are there stay."""
    file, page = out / "data" / f"variants-{data}.json", out / "variants.md"
    before = json.loads(file.read_text()) if file.exists() else []
    found = {row["variant"]: row for row in [*before, *rows]}
    ordered = [found[name] for name in RECIPES if name in found]
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(ordered, indent=1) + "\n")
    begin, end = f"<!-- {data}: made by scripts/variants.py -->", f"<!-- {data}: end -->"
    text = page.read_text() if page.exists() else f"{begin}\n{end}\n"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.S)
    page.write_text(pattern.sub(lambda _: f"{begin}\n\n{table(ordered, data)}\n\n{end}", text))


def main() -> None:
    """Train all, write all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--celeba", type=Path, help="torchvision's root that holds celeba/")
    parser.add_argument("--only", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("outputs/variants"))
    given = parser.parse_args()
    data = "celeba" if given.celeba else "fashion_mini"
    (given.out / "images").mkdir(parents=True, exist_ok=True)
    for name in given.only:
        folder = given.runs / data / name
        options = options_of(name, data, given.celeba)
        if not is_finished(folder):
            train(options, folder)
        save_picture(folder, given.out / "images" / f"{data}-{name}.png")
        shown = options_of(name, data, Path("<root>"))  # no path of a machine in the docs
        write([row_of(name, shown, folder)], data, given.out)


if __name__ == "__main__":
    main()
