"""Train models with labels or codes on real digits; an independent classifier says whether they show what is asked.

python scripts/families.py --root <folder with MNIST> --out docs [--only acgan infogan]

Each runs with narrow networks for the same number of images. Written are class grids, a JSON file with the commands and
values, and the table of docs/labels.md.
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

SMALL = [
    "generator=dcgan", "discriminator=dcgan", "generator.width=32", "discriminator.width=32", "data.batch_size=64",
    "model.n_critic=1", "optimizer.generator.lr=2e-4", "optimizer.discriminator.lr=2e-4",
    "optimizer.generator.betas=[0.5,0.999]", "optimizer.discriminator.betas=[0.5,0.999]",
]  # fmt: skip
FAMILIES = {
    "cgan": ["model=cgan", *SMALL, "optimizer@optimizer.generator=adam", "optimizer@optimizer.discriminator=adam"],
    "acgan": ["model=acgan", *SMALL],
    "projection": ["model=projection", *SMALL, "discriminator.spectral_norm=true"],
    "tacgan": ["model=tacgan", *SMALL],
    "adcgan": ["model=adcgan", *SMALL],
    "contragan": ["model=contragan", *SMALL],
    "reacgan": ["model=reacgan", *SMALL],
    "infogan": ["model=infogan", *SMALL[:5], "optimizer.generator.lr=1e-3", "optimizer.discriminator.lr=2e-4"],
}  # fmt: skip


def train(name: str, options: list[str], folder: Path, *, kimg: int, root: str) -> dict:
    """One run; returns its values with the seconds and the command."""
    shutil.rmtree(folder, ignore_errors=True)
    metrics = "[small]" if name == "infogan" else "[small,accuracy]"
    command = [
        "-m",
        "gan_lab.train",
        *options,
        f"max_kimg={kimg}",
        f"metrics={metrics}",
        "logger=none",
    ]
    given = [
        "data=mnist", f"data.root={root}", f"samples.every_kimg={kimg}", f"metrics.every_kimg={kimg}",
    ]  # fmt: skip
    started = time.perf_counter()
    subprocess.run([sys.executable, *command, *given, f"hydra.run.dir={folder}"], check=True)
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    scored = [record for record in records if "protocol" in record]
    values: list[dict] = [{}, {}]
    for record in scored:
        found = {
            k: v for k, v in record.items() if k in ("metric/small_frechet", "metric/accuracy")
        }
        values[0], values[1] = found | values[0], values[1] | found
    return {
        "model": name, "command": " ".join(["python", *command, "data=mnist"]), "start": values[0], "end": values[1],
        "seconds": round(time.perf_counter() - started), "kimg": kimg,
    }  # fmt: skip


def table(rows: list[dict]) -> str:
    """The table of docs/labels.md."""
    lines = [
        "| model | kimg | small Frechet at 0 | at the end | right class | grid |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        start, end = row["start"], row["end"]
        right = end.get("metric/accuracy")
        lines.append(
            f"| {row['model']} | {row['kimg']} | {start['metric/small_frechet']:.0f} "
            f"| {end['metric/small_frechet']:.2f} | {'-' if right is None else f'{right:.3f}'} "
            f"| ![{row['model']}](images/mnist-{row['model']}.png) |"
        )
    return "\n".join(lines)


def renew(page: Path, content: str) -> None:
    """Put a table between the page's marks."""
    marks = r"(<!-- mnist: made by [^>]*-->\n).*?(\n<!-- mnist: end -->)"
    page.write_text(
        re.sub(
            marks,
            lambda found: f"{found[1]}\n{content}\n{found[2]}",
            page.read_text(),
            flags=re.DOTALL,
        )
    )


def main() -> None:
    """Train all, write all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True)
    parser.add_argument("--kimg", type=int, default=100)
    parser.add_argument("--only", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--runs", type=Path, default=Path("outputs/families"))
    parser.add_argument("--out", type=Path, default=Path("docs"))
    arguments = parser.parse_args()
    store = arguments.out / "data" / "families-mnist.json"
    known = {row["model"]: row for row in json.loads(store.read_text())} if store.is_file() else {}
    for name in arguments.only:
        folder = arguments.runs / name
        row = train(name, FAMILIES[name], folder, kimg=arguments.kimg, root=arguments.root)
        known[name] = row
        grid = max((folder / "samples").glob("kimg-*.png"))
        shutil.copy(grid, arguments.out / "images" / f"mnist-{name}.png")
        rows = [known[name] for name in FAMILIES if name in known]
        store.write_text(json.dumps(rows, indent=1) + "\n")
        renew(arguments.out / "labels.md", table(rows))


if __name__ == "__main__":
    main()
