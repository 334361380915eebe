"""Train models from image to image on real pictures, each for minutes of a CPU; write docs/translations.md.

python scripts/translations.py --root <root> --out docs                 (<root> holds pairs/, unpaired/, celeba/)
python scripts/translations.py --root <root> --out docs --only cut      (some; the tables keep their other rows)

A run that is finished in the folder of runs is read and not repeated; remove its folder to train it anew.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from class_maps import convert
from families import quoted
from PIL import Image
from variants import CPU, is_finished, train

from gan_lab.media.grid_facts import corner, read_samples

FACES = "celeba/img_align_celeba"
MOST_BYTES = 160_000  # of a picture in the docs
PAIRS = [
    "model=pix2pix", "data.resolution=64", "data.batch_size=8", "generator.width=24", "discriminator.width=16",
    "discriminator.layers=2", "samples.num=24", "samples.every_kimg=5",
]  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """What a row is made of.

    Attributes:
        table: of the page, in which the row stands.
        data: folder below the root.
        options: of the command line, without the data's root and the length.
        kimg: thousands of images.
        scored: times in between at which it is scored.
    """

    table: str
    data: str
    options: list[str]
    kimg: float
    scored: int = 2

    def command(self, root: Path) -> list[str]:
        """The whole command line, without where results go."""
        every = f"metrics.every_kimg={self.kimg / self.scored:g}"
        return [*self.options, f"data.root={root / self.data}", f"max_kimg={self.kimg:g}", every]


SUPERRES = [
    "experiment=superres_small", "data.resolution=128", "data.batch_size=8", "model.pixel_kimg=6",
    "samples.every_kimg=6", "auxiliary.pixel.weight={schedule: piecewise, values: [10, 1], kimg: [6]}",
    "auxiliary.perceptual.weight={schedule: piecewise, values: [0, 1], kimg: [6]}",
]  # fmt: skip
LABELS = "labels"  # made of pairs/, whose masks are colours: see scripts/class_maps.py
OF_LABELS = ["data.classes=19", "data.resolution=64", "data.batch_size=8", "samples.num=24"]
SEGMENTATION = ["model=segmentation", *OF_LABELS, "generator.width=24", "samples.every_kimg=5"]
SPADE = [
    "model=spade", *OF_LABELS, "generator.width=8", "generator.hidden=24", "discriminator.width=16",
    "discriminator.layers=2", "samples.every_kimg=4",
]  # fmt: skip
# Of so few flowers more may change, and the rates fall as in the paper.
CYCLEGAN = [
    "experiment=translate_small", "model.identity=1", "augment=[diffaugment]",
    *(f"optimizer.{players}.lr={{schedule: linear, start: 3e-4, end: 0, begin_kimg: 4, kimg: 4}}"
      for players in ("generators", "discriminators")),
]  # fmt: skip
RECIPES: Mapping[str, Recipe] = {
    "masks-to-photos": Recipe("pairs", "pairs", [*PAIRS, "data.images=left"], 24),
    "photos-to-masks": Recipe("pairs", "pairs", [*PAIRS, "data.images=right"], 8),
    "cyclegan": Recipe("unpaired", "unpaired", CYCLEGAN, 8),
    "cut": Recipe("unpaired", "unpaired", ["experiment=cut_small"], 12, scored=4),
    "fastcut": Recipe(
        "unpaired", "unpaired",
        ["experiment=cut_small", "model.identity=0", "model.nce=10", "model.flip_equivariance=true"], 6,
    ),
    "style": Recipe("unpaired", "unpaired", ["experiment=style_small"], 10),
    "superres": Recipe("superres", FACES, SUPERRES, 12),
    "strokes": Recipe("filling", FACES, ["experiment=inpaint_small"], 10),
    "boxes": Recipe("filling", FACES, ["experiment=inpaint_small", "degrade.holes.shape=box"], 10),
    "colour": Recipe("colour", FACES, ["experiment=colour_small"], 10),
    "spade": Recipe("pairs", LABELS, SPADE, 8),
    "segmentation": Recipe("classes", LABELS, SEGMENTATION, 10),
    "segmentation-alone": Recipe("classes", LABELS, [*SEGMENTATION, "model.adversarial=0"], 10),
}  # fmt: skip


def row_of(name: str, folder: Path) -> dict[str, Any]:
    """What the records of a finished run say: each metric's values over time, and its protocols."""
    recipe = RECIPES[name]
    values: dict[str, list[float]] = {}
    protocols: dict[str, Any] = {}
    for record in map(json.loads, (folder / "metrics.jsonl").read_text().splitlines()):
        for key in record if "protocol" in record else ():
            if key.startswith("metric/") and key not in ("metric/seconds", "metric/time_share"):
                values.setdefault(key.removeprefix("metric/"), []).append(record[key])
                protocols |= record["protocol"]
    command = ["python -m gan_lab.train", *map(quoted, recipe.command(Path("<root>")))]
    return {
        "name": name, "table": recipe.table, "command": " ".join(command), "kimg": recipe.kimg,
        "cpu_seconds": json.loads((folder / CPU).read_text()), "values": values, "protocol": protocols,
    }  # fmt: skip


def save_picture(folder: Path, path: Path) -> None:
    """As many whole rows of the last grid as fit into the bytes of a picture, from the top and from the middle."""
    samples, facts = read_samples(max((folder / "samples").glob("kimg-*.png")))
    own, height = corner(samples, facts), facts.tile[1] + 1
    lines = (own.height + 1) // height  # the last has no gap below it
    for rows in range(lines, 0, -1):
        half = lines // 2 * height  # where the other direction begins
        upper = own.crop((0, 0, own.width, -(-rows // 2) * height))
        lower = own.crop((0, half, own.width, half + rows // 2 * height))
        whole = Image.new("RGB", (own.width, rows * height), "white")
        whole.paste(upper, (0, 0))
        whole.paste(lower, (0, upper.height))
        whole.save(path, optimize=True)
        if path.stat().st_size < MOST_BYTES:
            return


Row = Mapping[str, Any]


def answers(row: Row, measures: Mapping[str, str], others: Mapping[str, str]) -> list[list[str]]:
    """Lines of a table: what the model answers, then what is answered without learning, by each measure.

    Args:
        row: of a run.
        measures: key and format.
        others: names of answers in the protocol, and in words.
    """
    lines = [["the translation", *(f"{row['values'][k][-1]:{f}}" for k, f in measures.items())]]
    for other, words in others.items():
        found = [row["protocol"].get(f"{key}_of_the_{other}") for key in measures]
        if any(value is not None for value in found):
            forms = measures.values()
            cells = ["" if v is None else f"{v:{f}}" for v, f in zip(found, forms, strict=True)]
            lines.append([words, *cells])
    return lines


PIXELS = {"l1": ".4f", "psnr": ".2f", "ssim": ".3f", "perceptual": ".4f"}
REGION = {"region_l1": ".4f", "region_psnr": ".2f", "region_perceptual": ".4f"}
OTHERS = {
    "source": "the source itself",
    "mean_image": "the mean image",
    "known_mean": "the mean of known pixels",
    "likeliest_class": "the likeliest class everywhere",
}


def of_pairs(row: Row) -> tuple[list[str], list[list[str]]]:
    """Heads and lines of a run on pairs."""
    return ["answer", *PIXELS], answers(row, PIXELS, OTHERS)


def of_holes(row: Row) -> tuple[list[str], list[list[str]]]:
    """Heads and lines of a run that fills holes."""
    keys = {**REGION, "ssim": PIXELS["ssim"]}
    return ["answer", *keys], answers(row, keys, OTHERS)


def of_phases(row: Row) -> tuple[list[str], list[list[str]]]:
    """Heads and lines of a run whose first half learns pixels alone."""
    pixels, game = (
        [f"{row['values'][key][at]:{form}}" for key, form in PIXELS.items()] for at in (-2, -1)
    )
    without = answers(row, PIXELS, {"source": "enlarged by bicubic interpolation"})[1:]
    return ["answer", *PIXELS], [
        *without,
        ["after the pixel phase", *pixels],
        ["after the game", *game],
    ]


def of_kinds(row: Row) -> tuple[list[str], list[list[str]]]:
    """Heads and lines of a run on two folders."""
    names = {
        "translation": "both directions", "translation_a": "sunflowers to roses",
        "translation_b": "roses to sunflowers", "cycle": "there and back",
    }  # fmt: skip
    source = row["protocol"]["translation_of_the_sources"]
    lines = [
        [
            words,
            "" if key == "cycle" else f"{source:.4f}",
            *(f"{v:.4f}" for v in row["values"][key]),
        ]
        for key, words in names.items()
        if key in row["values"]
    ]
    if len(lines) == 1:
        lines[0][0] = "roses to sunflowers"
    evaluations = len(lines[0]) - 2
    times = [f"at {at * row['kimg'] / (evaluations - 1):g} kimg" for at in range(evaluations)]
    return ["distance", "of the sources", *times], lines


def of_classes(row: Row) -> tuple[list[str], list[list[str]]]:
    """Heads and lines of a run that tells classes of pixels."""
    measures = {"miou": ".3f", "pixel_accuracy": ".3f"}
    heads, lines = ["answer", *measures], answers(row, measures, OTHERS)
    lines[0][0] = "the segmenter"
    return heads, lines


TABLES = {
    "pairs": of_pairs, "unpaired": of_kinds, "superres": of_phases, "filling": of_holes, "colour": of_pairs,
    "classes": of_classes,
}  # fmt: skip


def part_of(row: Row) -> str:
    """The part of the page about one run: its command, its numbers, its picture."""
    heads, lines = TABLES[row["table"]](row)
    table = [heads, ["---"] * len(heads), *lines]
    return "\n".join(
        [
            f"After {row['kimg']:g} kimg, in {row['cpu_seconds']} seconds of one core:", "",
            *(f"| {' | '.join(line)} |" for line in table), "",
            f"![{row['name']}](images/translations-{row['name']}.png)",
        ]
    )  # fmt: skip


def write(rows: list[dict[str, Any]], out: Path) -> None:
    """The rows as JSON and in the page, between their marks; rows of other runs that are there stay."""
    file, page = out / "data" / "translations.json", out / "translations.md"
    before = json.loads(file.read_text()) if file.exists() else []
    found = {row["name"]: row for row in [*before, *rows]}
    ordered = [found[name] for name in RECIPES if name in found]
    file.write_text(json.dumps(ordered, indent=1) + "\n")
    text = page.read_text()
    for row in ordered:
        begin, end = (
            f"<!-- {row['name']}: made by scripts/translations.py -->",
            f"<!-- {row['name']}: end -->",
        )
        if begin in text:
            head, _, rest = text.partition(begin)
            text = f"{head}{begin}\n\n{part_of(row)}\n\n{end}{rest.partition(end)[2]}"
    page.write_text(text)


def root_of(recipe: Recipe, root: Path, runs: Path) -> Path:
    """Where a recipe's data lies: class maps are made beside the runs, once."""
    if recipe.data != LABELS:
        return root
    made, part = runs / LABELS, runs / f"{LABELS}.part"
    if not made.exists():
        shutil.rmtree(part, ignore_errors=True)  # of a start that was ended
        convert(root / "pairs", part, half="right")
        part.rename(made)
    return runs


def main() -> None:
    """Train what is not there, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("outputs/translations"))
    parser.add_argument("--only", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    given = parser.parse_args()
    rows = []
    for name in given.only:
        folder = given.runs / name
        if not is_finished(folder):
            train(RECIPES[name].command(root_of(RECIPES[name], given.root, given.runs)), folder)
        rows.append(row_of(name, folder))
        save_picture(folder, given.out / "images" / f"translations-{name}.png")
        write(rows, given.out)


if __name__ == "__main__":
    main()
