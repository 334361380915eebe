"""Compare recipes for a small set of photos, each for about 75 seconds of two cores; write the table of docs/photos.md.

python scripts/photos.py --photos <folder> --out docs

The numbers need the first layers of Inception, which `evaluate` looks for in GAN_LAB_DATA and torch's cache. A run that
is finished in the folder of runs is read and not repeated; remove its folder to train it anew.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from variants import CPU, is_finished, train

MARKS = "<!-- recipes: made by scripts/photos.py -->", "<!-- recipes: end -->"
SAMPLES = 240
METRIC = ["metrics=fid", "metrics.fid.feature=768", f"metrics.fid.num_samples={SAMPLES}"]


def both(option: str) -> list[str]:
    """An option of both optimizers or networks."""
    return [option.format("generator"), option.format("discriminator")]


WIDE = [*both("{}.width=48"), *both("optimizer.{}.lr=1e-3"), "ema.half_life_kimg=3"]
# Changes to `experiment=photos`, and the thousands of images that fit into the time.
RECIPES: Mapping[str, tuple[Sequence[str], int]] = {
    "as-it-is": ([], 65),
    "strong-r1": (["penalty.r1.weight=10"], 65),
    "rates-1e-3": (both("optimizer.{}.lr=1e-3"), 83),
    "momentum": (
        [*both("optimizer.{}.lr=5e-4"), *both("optimizer.{}.betas=[0.5,0.99]"), "penalty.r1.weight=0.5"], 82,
    ),
    "wide": ([*WIDE, "penalty.r1.weight=0.5"], 50),
    "relativistic": (
        [
            *WIDE, "loss=relativistic", "penalty=[r1,r2]", "penalty.r1.weight=0.2", "penalty.r2.weight=0.2",
            "penalty.r1.every=4", "penalty.r2.every=4",
        ],
        33,
    ),
    "batch-norm": (
        [
            *both("{}.width=48"), "discriminator.norm=batch", "penalty=[]", "optimizer.generator.lr=4e-4",
            "optimizer.discriminator.lr=2e-4", *both("optimizer.{}.betas=[0.5,0.999]"),
        ],
        50,
    ),
}  # fmt: skip


def row_of(name: str, photos: Path, runs: Path) -> dict:
    """One recipe, trained and scored."""
    changes, kimg = RECIPES[name]
    folder, scores = runs / name, runs / f"{name}.json"
    options = [
        "experiment=photos",
        f"data.root={photos}",
        *changes,
        f"max_kimg={kimg}",
        "max_time=null",
    ]
    if not is_finished(folder):
        train(options, folder)
        scores.unlink(missing_ok=True)
    if not scores.exists():
        command = [
            sys.executable,
            "-m",
            "gan_lab.evaluate",
            f"run={folder}",
            *METRIC,
            f"out={scores}",
        ]
        subprocess.run(command, check=True)
    found = json.loads(scores.read_text())
    return {
        "name": name, "changes": list(changes), "kimg": kimg, "values": found["values"], "protocol": found["protocol"],
        "cpu_seconds": json.loads((folder / CPU).read_text()),
        "command": " ".join(["python -m gan_lab.train", *options]).replace(str(photos), "/my/photos"),
    }  # fmt: skip


def write(rows: Sequence[dict], out: Path) -> None:
    """The rows as JSON, and as a table between the page's marks."""
    (out / "data" / "photos.json").write_text(json.dumps(rows, indent=1) + "\n")
    lines = [
        "| recipe, as changes to `experiment=photos` | kimg | seconds of one core | `metric/fid_768` |",
        "| --- | --- | --- | --- |",
    ]
    for row in rows:
        changes = f"`{' '.join(row['changes'])}`" if row["changes"] else "as it is"
        value = row["values"]["metric/fid_768"]
        lines.append(f"| {changes} | {row['kimg']} | {row['cpu_seconds']} | {value:.2f} |")
    page = out / "photos.md"
    text, (begin, end) = page.read_text(), MARKS
    head, _, rest = text.partition(begin)
    page.write_text("\n".join([f"{head}{begin}", "", *lines, "", f"{end}{rest.partition(end)[2]}"]))


def main() -> None:
    """Train what is not there, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("outputs/photos"))
    given = parser.parse_args()
    write([row_of(name, given.photos, given.runs) for name in RECIPES], given.out)


if __name__ == "__main__":
    main()
