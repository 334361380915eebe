"""Tables and figures of comparisons: each format read back by another library, averages over seeds, panels, labels."""

import csv
import io
import json
import statistics
import xml.etree.ElementTree as ElementTree

import numpy as np
import pypdfium2
import pytest
import torch
from PIL import Image, ImageColor
from pylatexenc.latexwalker import LatexEnvironmentNode, LatexWalker

from gan_lab.common.errors import ConfigError
from gan_lab.compare import main
from gan_lab.media.run_grids import save_reals, save_run_grid
from gan_lab.reports.axes import COLORS
from gan_lab.reports.curves import draw_curves
from gan_lab.reports.groups import groups_of
from gan_lab.reports.panels import PANELS, panels_of
from gan_lab.reports.series import Curve, curves_of, mean_of
from gan_lab.reports.writers import tex
from tests.run_records import PROTOCOL, write_run

RATES = (1e-4, 2e-4)
LAST = {
    ("dcgan", 0): (40.0, 50.0),
    ("dcgan", 1): (30.0, 34.0),
    ("lsgan", 0): (60.0, 70.0),
    ("lsgan", 1): (20.0, 28.0),
}


@pytest.fixture
def sweep(tmp_path):
    """Two models, two rates, two seeds, each with a grid."""
    for job, (model, rate, seed) in enumerate(
        (m, r, s) for m in ("dcgan", "lsgan") for r in (0, 1) for s in (0, 1)
    ):
        run = write_run(
            tmp_path / "sweep" / str(job),
            metrics=[200, 100, LAST[model, rate][seed]],
            overrides=[f"model={model}", f"optimizer.generator.lr={RATES[rate]}", f"seed={seed}", "logger=none"],
            choices={"model": model},
            config={"seed": seed, "optimizer": {"generator": {"lr": RATES[rate]}}},
            status={"state": "finished"},
        )  # fmt: skip
        run.samples.mkdir()
        images = torch.full((4, 1, 8, 8), job / 8)
        save_run_grid(images, None, run.samples / "kimg-000010.000.png", kimg=10)
        save_reals(images, run.samples / "reals.png")
    return tmp_path / "sweep"


def written(sweep, suffix, *options):
    out = sweep / "out" / f"all{suffix}"
    assert main([str(sweep), *options, f"out={out}"]) == 0
    return out


def test_csv_has_a_line_for_each_run_with_full_names(sweep):
    rows = list(csv.DictReader(io.StringIO(written(sweep, ".csv").read_text())))
    assert len(rows) == 8
    assert [int(row["rank"]) for row in rows] == list(range(1, 9))
    assert [float(row["last"]) for row in rows] == sorted(x for pair in LAST.values() for x in pair)
    best = rows[0]
    assert (best["model"], best["optimizer.generator.lr"], best["seed"]) == ("lsgan", "0.0002", "0")
    assert json.loads(best["protocol"]) == PROTOCOL


def test_json_averages_over_seeds(sweep):
    (table,) = json.loads(written(sweep, ".json", "over=seed").read_text())["tables"]
    assert table["over"] == ["seed"]
    assert [row["n"] for row in table["rows"]] == [2] * 4
    found = {
        (row["options"]["model"], row["options"]["optimizer.generator.lr"]): row
        for row in table["rows"]
    }
    assert all("seed" not in row["options"] for row in table["rows"])
    for (model, rate), values in LAST.items():
        row = found[model, f"{RATES[rate]:g}"]
        assert row["last"] == statistics.mean(values)
        assert row["last_deviation"] == pytest.approx(statistics.stdev(values))
    means = [row["last"] for row in table["rows"]]
    assert means == sorted(means)


def test_latex_is_read_without_an_error_and_its_rows_are_whole(sweep):
    text = written(sweep, ".tex", "over=seed").read_text()
    nodes, *_ = LatexWalker(text, tolerant_parsing=False).get_latex_nodes()
    (table,) = [node for node in nodes if node.isNodeType(LatexEnvironmentNode)]
    assert table.environmentname == "table"
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    columns = text.partition(r"\begin{tabular}{")[2].partition("}")[0]
    assert columns == "llrrrrr"
    assert len(lines) == 1 + 4
    assert {line.count("&") for line in lines} == {len(columns) - 1}
    assert r"lsgan & 0.0002 & $2$ & $10$ & $24 \pm 5.7$ &" in text
    assert r"fashion\_mini" in text
    assert "over seed" in text


def test_latex_letters_are_escaped():
    said = tex(r"a_b 50% $x$ {y} ~ ^ \ # & <|>")
    nodes, *_ = LatexWalker(said, tolerant_parsing=False).get_latex_nodes()
    assert (
        r"a\_b 50\% \$x\$ \{y\} \textasciitilde{} \textasciicircum{} \textbackslash{} \# \& \textless{}"
        in said
    )
    assert nodes


def test_markdown_is_a_table(sweep):
    lines = written(sweep, ".md", "over=seed").read_text().splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]
    assert rows[0] == ["model", "lr", "n", "kimg", "small Frechet", "best", "at kimg"]
    assert rows[2][:5] == ["lsgan", "0.0002", "2", "10", "24 ± 5.7"]


def count(pixels, color):
    return int((pixels.reshape(-1, 3) == np.array(ImageColor.getrgb(color))).all(1).sum())


def test_pdf_opens_as_a_picture_with_the_curves(sweep):
    document = pypdfium2.PdfDocument(written(sweep, ".pdf", "over=seed", "panels=[metric,losses]"))
    assert len(document) == 1
    pixels = np.asarray(document[0].render(scale=1.5).to_pil().convert("RGB"))
    assert all(count(pixels, color) > 50 for color in COLORS[:4])
    text = document[0].get_textpage().get_text_range()
    assert "model=lsgan lr=0.0002 (n=2)" in text
    assert "from the smallest to the largest of n runs" in text
    assert "logits" not in text
    assert str(sweep) not in text


def test_svg_is_xml_and_the_same_each_time(sweep):
    first = written(sweep, ".svg", "grids=true").read_bytes()
    assert ElementTree.fromstring(first).tag.endswith("svg")
    assert first == written(sweep, ".svg", "grids=true").read_bytes()
    assert first.count(b"<image") == 1 + 8, "the reals and a grid of each run"


def test_grids_stand_below_the_curves(sweep):
    sizes = {}
    for wish in ("false", "true", "best"):
        with Image.open(written(sweep, ".png", "over=seed", f"grids={wish}")) as picture:
            sizes[wish] = picture.size
            pixels = np.asarray(picture.convert("RGB"))
    assert sizes["true"][1] > sizes["false"][1] + 500
    assert sizes["best"] == sizes["true"]
    grey = round((4 / 8 + 1) * 127.5)  # of job 4, the first of its average
    assert count(pixels, f"#{grey:02x}{grey:02x}{grey:02x}") > 1000


def test_grids_without_a_place_are_told(tmp_path):
    for job in range(14):
        run = write_run(
            tmp_path / str(job), metrics=[200, 50 + job], points=3, overrides=[f"seed={job}"], config={"seed": job}
        )  # fmt: skip
        run.samples.mkdir()
        save_run_grid(torch.zeros(4, 1, 8, 8), None, run.samples / "kimg-000010.000.png", kimg=10)
    assert main([str(tmp_path), "panels=metric", "grids=true", f"out={tmp_path / 'x.pdf'}"]) == 0
    page = pypdfium2.PdfDocument(tmp_path / "x.pdf")[0]
    said = page.get_textpage().get_text_range()
    assert "grids: the first 12 of 14, in the order of the ranking" in said
    pictures = [one for one in page.get_objects() if one.type == pypdfium2.raw.FPDF_PAGEOBJ_IMAGE]
    assert len(pictures) == 12


def test_a_repeated_seed_counts_once(sweep, capsys):
    """Job 8 is job 0 once more, and saw more images; job 9 is job 2, and was cut off early."""
    for job, (kimg, value, rate, seed) in enumerate([(12, 46.0, 0, 0), (5, 90.0, 1, 0)], 8):
        write_run(
            sweep / str(job),
            metrics=[200, value],
            kimg=kimg,
            overrides=[f"optimizer.generator.lr={RATES[rate]}", f"seed={seed}", "model=dcgan"],
            choices={"model": "dcgan"},
            config={"seed": seed, "optimizer": {"generator": {"lr": RATES[rate]}}},
        )
    found = json.loads(written(sweep, ".json", "over=seed").read_text())
    rows = {row["label"]: row for row in found["tables"][0]["rows"]}
    assert [row["n"] for row in rows.values()] == [2] * 4
    assert rows["model=dcgan lr=0.0001"]["runs"] == ["1", "8"]
    assert rows["model=dcgan lr=0.0001"]["last"] == pytest.approx((50 + 46) / 2)
    assert rows["model=dcgan lr=0.0002"]["runs"] == ["2", "3"]
    assert found["repeats"] == [{"run": "0", "counts": "8"}, {"run": "9", "counts": "2"}]
    said = capsys.readouterr().out
    assert "left out:\n0: has the options of 8\n9: has the options of 2\n" in said
    assert (
        "Left out: 0, which has the options of 8." in written(sweep, ".md", "over=seed").read_text()
    )
    assert len(json.loads(written(sweep, ".json").read_text())["tables"][0]["rows"]) == 10


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["out=x.foo"], "x.foo: cannot be written as .foo; the suffix is one of .png, .pdf"),
        (["out=x.pgn"], "did you mean .png?"),
        (["out=x"], "x: cannot be written as a folder"),
        (["out=x.csv", "grids=true"], "grids: belongs to a figure"),
        (["out=x.csv", "panels=losses"], "panels: belongs to a figure"),
        (["grids=first"], "grids=first: must be true, last, best or false."),
        (["over=sede"], "over=sede: no two of these runs differ in sede; they differ in model"),
        (["panels=loses"], "panels=loses: no such panel; did you mean losses?"),
        (["pannels=losses"], "pannels: no such option; did you mean panels?"),
    ],
)
def test_what_cannot_be_is_one_sentence(sweep, options, said, capsys, monkeypatch):
    monkeypatch.chdir(sweep)
    assert main([".", *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not list(sweep.glob("x*"))


def test_each_metric_has_axes_of_its_own(tmp_path):
    run = write_run(tmp_path / "run")
    run.append({"images_seen": 1000, "metric/fid": 20.0, "metric/kid": 0.1, "protocol": PROTOCOL})
    keys = curves_of(run)
    assert [panel.title for panel in panels_of([], keys)][:3] == [
        "FID (lower is better)", "KID (lower is better)", "losses",
    ]  # fmt: skip
    assert len(panels_of([], keys)) == len(PANELS) + 1
    (kid,) = panels_of(["kid"], keys)
    assert [key for key in keys if kid.shows(key)] == ["metric/kid"]
    (term,) = panels_of(["loss/discriminator/adversarial"], keys)
    assert [key for key in keys if term.shows(key)] == ["loss/discriminator/adversarial"]
    with pytest.raises(ConfigError, match="no such panel"):
        panels_of(["fit"], keys)
    draw_curves([run], tmp_path / "one.png", panels=["kid", "fid", "logits/real", "speed"])


def test_labels_are_short_and_no_paths(tmp_path):
    def label(name, *overrides):
        return write_run(tmp_path / name, points=1, overrides=list(overrides))

    runs = [
        label("a", "data.root=/photos/cats", "x.lr=1"),
        label("b", "data.root=/photos/dogs", "x.lr=1"),
    ]
    assert [group.label for group in groups_of(runs)] == ["root=cats", "root=dogs"]
    two = [label("c", "a.lr=1", "b.lr=2"), label("d", "a.lr=2", "b.lr=1")]
    assert [group.label for group in groups_of(two)] == ["a.lr=1 b.lr=2", "a.lr=2 b.lr=1"]
    same = [label("e/0", "data.root=/x/same"), label("f/0", "data.root=/y/same")]
    assert [group.label for group in groups_of(same)] == ["e job 0", "f job 0"]
    many = [label(name, *(f"o{i}={name}" for i in range(5))) for name in ("g", "h")]
    assert [group.label for group in groups_of(many)] == ["g", "h"]


def test_a_mean_has_its_band_where_all_runs_were_measured():
    one = {"loss/g": Curve([1, 2, 3], [1.0, 2.0, 3.0])}
    other = {"loss/g": Curve([1, 2], [3.0, float("nan")]), "loss/d": Curve([1], [5.0])}
    mean = mean_of([one, other])
    assert mean["loss/g"].kimg == [1, 2]
    assert (mean["loss/g"].values[0], mean["loss/g"].low[0], mean["loss/g"].high[0]) == (
        2.0,
        1.0,
        3.0,
    )
    assert np.isnan(mean["loss/g"].values[1])
    assert mean["loss/d"].low == []


def test_seeds_of_two_protocols_are_never_averaged(sweep):
    run = write_run(
        sweep / "9", metrics=[200, 1.0], protocol={**PROTOCOL, "num_samples": 5}, status={"state": "finished"},
        overrides=["model=lsgan", "optimizer.generator.lr=0.0002", "seed=9"], choices={"model": "lsgan"},
        config={"seed": 9, "optimizer": {"generator": {"lr": 0.0002}}},
    )  # fmt: skip
    assert run.records()
    one, other = json.loads(written(sweep, ".json", "over=seed").read_text())["tables"]
    assert one["rows"][0]["last"] == 24.0
    assert (other["rows"][0]["last"], other["rows"][0]["n"]) == (1.0, 1)
