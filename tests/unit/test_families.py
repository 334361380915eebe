"""The table of docs/families.md: its rows are those of the recipes, and what is measured beside metrics is right."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import pytest
import torch

from tests.conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "scripts"))
import families
import judging

ROWS = json.loads((REPOSITORY / "docs" / "data" / "families.json").read_text())
PAGE = (REPOSITORY / "docs" / "families.md").read_text()


def test_codes_are_matched_so_that_most_images_agree():
    draw = torch.Generator().manual_seed(0)
    codes, classes = (torch.randint(4, (30,), generator=draw) for _ in range(2))
    found = judging.matched(codes, classes, 4)
    agreed = [
        sum(order[c] == d for c, d in zip(codes.tolist(), classes.tolist(), strict=True))
        for order in itertools.permutations(range(4))
    ]
    assert found["right"] == pytest.approx(max(agreed) / 30)
    order = found["class_of_code"]
    assert sum(order[c] == d for c, d in zip(codes, classes, strict=True)) == max(agreed)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_row_is_of_its_recipe(row):
    options = families.RECIPES[row["name"]].command(Path("<root>"))
    assert row["command"].split(maxsplit=3)[3] == " ".join(map(families.quoted, options))


def test_rows_stand_in_the_order_of_the_recipes_and_the_page_shows_them_all():
    names = [row["name"] for row in ROWS]
    assert names == [name for name in families.RECIPES if name in names]
    for name in families.TABLES:
        shown = families.table_of([row for row in ROWS if row["table"] == name], name)
        assert shown in PAGE, name
