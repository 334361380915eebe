"""What the docs point at exists, what they show can be found, and they are plain words."""

from __future__ import annotations

import ast
import re
import tomllib

import pytest
import yaml

from gan_lab import __version__
from tests.conftest import REPOSITORY
from tests.documented import PAGES, PARSED_ONLY, parsed_only, shown_on
from tests.prose import MOST_WORDS, sentences, words_in

# Pages whose prose is not counted, and single sentences that stay longer, by how they begin.
UNCOUNTED = {
    "architecture.md": "for those who change the engine",
    "next.md": "notes for who goes on",
}
LONGER: tuple[str, ...] = ()
# Files that a page tells its reader to make, and those that only a run folder has.
MADE_BY_READERS = ("conf/model/hinge_gan.yaml",)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    missing = [x for x in links if "://" not in x and not (page.parent / x).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_anchors_lead_somewhere(page):
    text = page.read_text()
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text):
        there = (page.parent / target).read_text() if target else text
        titles = re.findall(r"^#+ (.+)$", there, re.MULTILINE)
        names = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert anchor in names, f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_files_that_are_named_exist(page):
    named = re.findall(r"`(?:python )?((?:scripts|tests|gan_lab|conf)/[\w./-]+)", page.read_text())
    missing = [x for x in named if not (REPOSITORY / x).exists() and x not in MADE_BY_READERS]
    assert not missing


def test_what_no_test_runs_stands_in_the_docs():
    """The list of commands that are only looked up holds nothing that no page shows."""
    commands = [c for page in PAGES for shown in shown_on(page) for c in shown.commands]
    used = {parsed_only(command) for command in commands}
    assert not set(PARSED_ONLY) - used
    assert len(commands) > 80, "the docs are full of commands, so their parser has gone blind"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_sentences_are_short(page):
    if page.name in UNCOUNTED:
        pytest.skip(UNCOUNTED[page.name])
    found = sentences(page.read_text())
    assert found
    long = [
        f"{page.name}:{line}: {words_in(sentence)} words: {sentence}"
        for line, sentence in found
        if words_in(sentence) > MOST_WORDS and not sentence.startswith(LONGER or "\0")
    ]
    assert not long, "\n".join(long)


def test_the_counter_of_words_counts():
    text = "# A title\n\nOne `a b c` two,\nthree. Four [five six](x.md) (see 7)!\n\n- eight\n- nine\n\n| a | b |\n"
    found = [sentence for _, sentence in sentences(text)]
    assert found == ["One `code` two, three.", "Four [five six] (see 7)!", "eight", "nine"]
    assert [words_in(sentence) for sentence in found] == [4, 5, 1, 1]
    assert words_in("a - b = c") == 3


def test_the_runs_of_the_first_page_are_those_of_its_script():
    """docs/first-gan.md shows the commands that its pictures were made by."""
    source = ast.parse((REPOSITORY / "scripts" / "first_gan.py").read_text())
    assigned = [node for node in source.body if isinstance(node, ast.Assign)]
    named = {a.targets[0].id: a.value for a in assigned if isinstance(a.targets[0], ast.Name)}
    common, runs, measured = (
        ast.literal_eval(named[name]) for name in ("COMMON", "RUNS", "MEASURED")
    )
    page = (REPOSITORY / "docs" / "first-gan.md").read_text()
    for name, options in runs.items():
        assert f"{common} {options} {measured} max_kimg=30\n" in page
        assert f"images/first-gan-{name}.png" in page
        assert f"\n| {name} | " in page
    pictures = [*(REPOSITORY / "docs" / "images").glob("first-gan-*.png")]
    assert len(pictures) == len(runs)
    assert all(path.stat().st_size < 200_000 for path in pictures)


@pytest.mark.parametrize(
    ("row", "case", "precision"),
    [
        ("`mlp_28`", "mlp_28", "bf16-mixed"),
        ("`maxout_28`", "maxout_28", "bf16-mixed"),
        ("DCGAN at 32", "dcgan_32", "bf16-mixed"),
        ("DCGAN at 64", "dcgan_64", "bf16-mixed"),
        ("WGAN-GP at 32", "wgan_gp_32", "bf16-mixed"),
        ("without bf16", "", "32-true"),
    ],
)
def test_what_is_fast_is_what_was_measured(row, case, precision):
    """The first table of docs/performance.md says what its table of rounds has."""
    page = (REPOSITORY / "docs" / "performance.md").read_text()
    rounds = page.partition("<!-- rounds -->")[2].partition("<!-- /rounds -->")[0]
    measured = [
        float(faster)
        for name, bits, faster in re.findall(
            r"^\| (\w+) \| (\S+) \|.*\*\*([\d.]+) \(", rounds, re.MULTILINE
        )
        if name.startswith(case) and bits == precision
    ]
    line = next(one for one in page.splitlines() if row in one and one.startswith("| "))
    said = [float(one) for one in re.findall(r"(\d\.\d+) (?=to|times)", line)]
    assert measured
    assert abs(min(measured) - said[0]) <= 0.051
    assert abs(max(measured) - said[-1]) <= 0.051


def test_how_to_cite():
    """What CITATION.cff needs by its format 1.2.0, and that it speaks of this version and licence."""
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "type"} <= citation.keys()
    assert citation["type"] == "software"
    assert all(a.get("name") or a.get("family-names") for a in citation["authors"])
    assert citation["version"] == project["version"] == __version__
    licence = (REPOSITORY / "LICENSE").read_text()
    assert citation["license"] == project["license"] == "MIT"
    assert licence.startswith("MIT License")
    assert citation["authors"][0]["name"] in licence


def test_no_machine_is_named():
    """Paths of a machine and hosts of a package index have no place in the project."""
    wrong = re.compile(r"/(?:work|root|home)/\w|index-url|find-links|/simple/")
    for folder in ("docs", "conf", "scripts", "gan_lab"):
        for file in (REPOSITORY / folder).rglob("*"):
            if file.suffix in {".md", ".yaml", ".py", ".json"} and file.name != "lock.py":
                assert not wrong.search(file.read_text()), file
