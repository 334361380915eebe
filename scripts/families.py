"""Train the families with labels, codes, second tasks or text, each for minutes of one core; write docs/families.md.

python scripts/families.py --root <root> --out docs                       (<root> holds MNIST/, celeba/ ...)
python scripts/families.py --root <root> --out docs --only cgan infogan   (some; the tables keep their other rows)

A run that is finished in the folder of runs is read and not repeated; remove its folder to train it anew.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from judging import few_labels, of_codes
from variants import ADAM, CPU, FASTER_GENERATOR, is_finished, rates, train

from gan_lab.media.frames import enlarged_picture
from gan_lab.media.grid_facts import corner, read_samples

SCALE, MOST_BYTES = 2, 60_000  # of a picture in the docs
SEEDS = (0, 1, 2)
NO_METRIC = ("metric/seconds", "metric/time_share")


@dataclass(frozen=True)
class Recipe:
    """What a row is made of.

    Attributes:
        table: of the page, in which the row stands.
        options: of the command line, without the data's root, the length and the metrics.
        kimg: thousands of images or sequences.
        metrics: of the run; none chooses the model's own.
        judge: what else is measured of the finished run's folder.
    """

    table: str
    options: list[str]
    kimg: float
    metrics: str = ""
    judge: Callable[[Path], dict[str, Any]] | None = None

    def command(self, root: Path) -> list[str]:
        """The whole command line, without where results go."""
        found = [*self.options, f"max_kimg={self.kimg:g}", f"metrics.every_kimg={self.kimg / 2:g}"]
        if self.metrics:
            found.append(f"metrics={self.metrics}")
        return found if self.table == "text" else [*found, f"data.root={root}"]


SIZED = ["generator=dcgan", "discriminator=dcgan", "generator.width=32", "discriminator.width=32"]
DIGIT_CODE = ["data.batch_size=64", "latent.codes={category: 10}"]
DCGAN_SIZED = [*SIZED, "data.batch_size=16", *FASTER_GENERATOR]
ACGAN = [*SIZED, "data.batch_size=16", *rates("5e-4"), "discriminator.dropout=0.2"]
SPECTRAL = [*SIZED, "data.batch_size=16", *rates("1e-3"), "model.n_critic=1"]
SMALL_BLOCKS = [
    "generator.width=8", "discriminator.width=8", "data.batch_size=16", *rates("1e-3"), "model.n_critic=1"
]  # fmt: skip
ORACLE = [
    "data=oracle", "data.vocab_size=20", "data.length=6", "generator.width=8", "generator.embedding=8",
    "discriminator.width=20", "discriminator.windows=[1,2,3,4,5]", "discriminator.shares=[1,2,2,2,2]",
]  # fmt: skip
LIKELIHOOD = ["model=seqgan", *ORACLE, "model.likelihood_kimg=100", "optimizer.generator.lr=1e-2"]
POLICY = [
    "model=seqgan", *ORACLE, "model.rollouts=4", "model.baseline=true", "model.n_critic=3", "model.likelihood_kimg=50",
    "model.discriminator_kimg=20", "optimizer.discriminator.lr=3e-3",
    "optimizer.generator.lr={schedule: piecewise, values: [1e-2, 3e-3], kimg: [70]}",
]  # fmt: skip


def labelled(model: str, data: str, options: list[str], kimg: float) -> Recipe:
    """A row of the table of models that are asked for a class."""
    return Recipe("labels", [f"model={model}", *data.split(), *options], kimg, "[small,accuracy]")


MNIST, FACES = "data=mnist", "data=celeba data.resolution=32 data.labels=[Smiling,Male]"
RECIPES: Mapping[str, Recipe] = {
    "cgan": labelled("cgan", MNIST, [*ADAM, *SIZED, "data.batch_size=16", *rates("5e-4")], 70),
    "acgan": labelled("acgan", MNIST, ACGAN, 50),
    "projection": labelled("projection", MNIST, SPECTRAL, 30),
    "biggan": labelled("biggan", MNIST, [*SMALL_BLOCKS, "generator.embedding=32"], 24),
    "tacgan": labelled("tacgan", MNIST, SPECTRAL, 30),
    "adcgan": labelled("adcgan", MNIST, SPECTRAL, 30),
    "contragan": labelled("contragan", MNIST, [*SPECTRAL, "auxiliary.contragan.temperature=0.1"], 30),
    "reacgan": labelled("reacgan", MNIST, SPECTRAL, 30),
    "sagan": labelled("sagan", MNIST, [*SMALL_BLOCKS, "discriminator.width=32"], 24),
    "biggan_deep": labelled("biggan_deep", MNIST, [*SMALL_BLOCKS, "generator.embedding=32"], 24),
    "acgan-clothes": labelled("acgan", "data=fashion_mnist", ACGAN, 20),
    "projection-photos": labelled("projection", "data=cifar10", SPECTRAL, 12),
    "acgan-faces": labelled("acgan", FACES, ACGAN, 12),
    "infogan": Recipe("codes", ["model=infogan", MNIST, *SIZED, *DIGIT_CODE], 400, judge=of_codes),
    "sgan": Recipe("few", ["model=sgan", MNIST, "data.labelled=100", *DCGAN_SIZED], 40, judge=few_labels),
    "ssgan": Recipe("tasks", ["model=ssgan", MNIST, *SPECTRAL], 15),
    "infomax_gan": Recipe("tasks", ["model=infomax_gan", MNIST, *SPECTRAL], 15),
    "twin": Recipe("tasks", ["model=ssgan", MNIST, *SPECTRAL, "auxiliary=[]"], 15),
    **{f"seqgan-{seed}": Recipe("text", [*POLICY, f"seed={seed}"], 100) for seed in SEEDS},
    **{f"likelihood-{seed}": Recipe("text", [*LIKELIHOOD, f"seed={seed}"], 100) for seed in SEEDS},
    "gumbel_gan": Recipe("text", ["model=gumbel_gan", *ORACLE], 100),
}  # fmt: skip


def row_of(name: str, folder: Path) -> dict[str, Any]:
    """What the records of a finished run say, the first and the last value of each metric, and what is judged."""
    recipe = RECIPES[name]
    values: dict[str, list[float]] = {}
    protocols = {}
    for record in map(json.loads, (folder / "metrics.jsonl").read_text().splitlines()):
        for key in record.keys() - set(NO_METRIC) if "protocol" in record else ():
            if re.fullmatch(r"metric/\w+", key):
                values[key] = [values.get(key, [record[key]])[0], record[key]]
                protocols[key] = record["protocol"]
                kimg = record["images_seen"] / 1000
    command = ["python -m gan_lab.train", *map(quoted, recipe.command(Path("<root>")))]
    return {
        "name": name, "table": recipe.table, "command": " ".join(command), "kimg": kimg,
        "cpu_seconds": json.loads((folder / CPU).read_text()), "values": values,
        "judged": recipe.judge(folder) if recipe.judge else {}, "protocols": protocols,
    }  # fmt: skip


def quoted(option: str) -> str:
    """An option as a shell takes it."""
    return f"'{option}'" if set(option) & set(" {") else option


def save_picture(folder: Path, path: Path) -> None:
    """The last grid, enlarged if its bytes stay few, with as many columns as fit into them."""
    samples, facts = read_samples(max((folder / "samples").glob("kimg-*.png")))
    own = corner(samples, facts)
    colours = np.asarray(own)
    if (colours == colours[..., :1]).all():
        own = own.convert("L")
    sizes = [(facts.columns, SCALE), *((columns, 1) for columns in range(facts.columns, 0, -1))]
    for columns, scale in sizes:
        part = own.crop((0, 0, columns * (facts.tile[0] + 1) - 1, own.height))
        enlarged_picture(part, scale).save(path, optimize=True)
        if path.stat().st_size < MOST_BYTES:
            return


FRECHET, RIGHT, NLL = "metric/small_frechet", "metric/accuracy", "metric/oracle_nll"
Row = Mapping[str, Any]


def both(row: Row, key: str, form: str) -> str:
    """The cells of a metric's first and last value."""
    first, last = row["values"][key]
    return f"{first:.0f} | {last:{form}}" if key == FRECHET else f"{first:{form}} | {last:{form}}"


def picture_of(row: Row) -> str:
    return f"![{row['name']}](images/families-{row['name']}.png)"


# Of each table: its heads, and what stands behind name, kimg and seconds in a row.
TABLES: Mapping[str, tuple[list[str], Callable[[Row], str]]] = {
    "labels": (
        ["small Frechet at 0", "at the end", "right class at 0", "at the end", "samples, a class in each row"],
        lambda row: f"{both(row, FRECHET, '.2g')} | {both(row, RIGHT, '.3f')} | {picture_of(row)}",
    ),
    "codes": (
        ["small Frechet at 0", "at the end", "code is the digit", "samples, a code in each row"],
        lambda row: f"{both(row, FRECHET, '.2g')} | {row['judged']['right']:.3f} | {picture_of(row)}",
    ),
    "few": (
        ["small Frechet at 0", "at the end", "right digits", "of the twin"],
        lambda row: f"{both(row, FRECHET, '.2g')} | {row['judged']['right']:.3f} | {row['judged']['right_alone']:.3f}",
    ),
    "tasks": (
        ["small Frechet at 0", "at the end", "samples"],
        lambda row: f"{both(row, FRECHET, '.3g')} | {picture_of(row)}",
    ),
    "text": (["oracle NLL at 0", "at the end"], lambda row: both(row, NLL, ".3f")),
}  # fmt: skip


def table_of(rows: list[Row], name: str) -> str:
    """One table of the page."""
    heads, cells = TABLES[name]
    heads = ["run", "kimg", "seconds of one core", *heads]
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for row in rows:
        lines.append(
            f"| {row['name']} | {row['kimg']:.0f} | {row['cpu_seconds']:.0f} | {cells(row)} |"
        )
    return "\n".join(lines)


def write(rows: list[Row], out: Path) -> None:
    """The rows as JSON and in the page; rows of other runs that are there stay."""
    file, page = out / "data" / "families.json", out / "families.md"
    before = json.loads(file.read_text()) if file.exists() else []
    found = {row["name"]: row for row in [*before, *rows]}
    ordered = [found[name] for name in RECIPES if name in found]
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(ordered, indent=1) + "\n")
    text = page.read_text() if page.exists() else ""
    for name in TABLES:
        begin, end = f"<!-- {name}: made by scripts/families.py -->", f"<!-- {name}: end -->"
        inside = table_of([row for row in ordered if row["table"] == name], name)
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.S)
        text = pattern.sub(lambda _: f"{begin}\n\n{inside}\n\n{end}", text)  # noqa: B023
    page.write_text(text)


def main() -> None:
    """Train all, write all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--root", type=Path, required=True, help="holds MNIST/, FashionMNIST/, cifar10/ and celeba/"
    )
    parser.add_argument("--only", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("outputs/families"))
    given = parser.parse_args()
    (given.out / "images").mkdir(parents=True, exist_ok=True)
    for name in given.only:
        folder = given.runs / name
        if not is_finished(folder):
            train(RECIPES[name].command(given.root), folder)
        if RECIPES[name].table not in ("text", "few"):
            save_picture(folder, given.out / "images" / f"families-{name}.png")
        write([row_of(name, folder)], given.out)


if __name__ == "__main__":
    main()
