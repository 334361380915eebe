"""What the docs point at exists, and the options they show are real."""

from __future__ import annotations

import re

import pytest

from gan_lab.train import compose
from tests.conftest import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    missing = [x for x in links if "://" not in x and not (page.parent / x).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_compose(page):
    """Every `python -m gan_lab.train ...` that is shown, but for those with places to fill in."""
    lines = re.findall(r"python -m gan_lab\.train (.+)", page.read_text())
    for line in lines:
        text = line.split("`")[0]
        words = [w.strip("'") for w in re.findall(r"'[^']*'|\S+", text)]
        words = [re.sub(r"^([^=]+)='(.*)'$", r"\1=\2", w) for w in words]
        if any(w.startswith(("resume=", "--", "#", "<", "...")) for w in words) or "-m" in words:
            continue
        compose([w for w in words if "=" in w])


def test_no_machine_is_named():
    """Paths of a machine and hosts of a package index have no place in the project."""
    wrong = re.compile(r"/(?:work|root|home)/\w|index-url|find-links|/simple/")
    for folder in ("docs", "conf", "scripts", "gan_lab"):
        for file in (REPOSITORY / folder).rglob("*"):
            if file.suffix in {".md", ".yaml", ".py", ".json"} and file.name != "lock.py":
                assert not wrong.search(file.read_text()), file
