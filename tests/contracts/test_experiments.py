"""Every recipe of conf/experiment: it composes as it is, and trains a round of both players when it is made tiny."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from gan_lab.config.groups import CONF, Groups
from tests.conftest import batches, play_rounds
from tests.contracts.walk import built, composed

EXPERIMENTS = Groups().choices("experiment")


def maps_for(game, batch):
    """Class maps in the columns where a game reads such."""
    classes = getattr(game, "class_maps", {})
    levels = ((batch["images"][:, :1] + 1) / 2).clamp(max=0.999)
    return {name: (levels * count).to(torch.uint8) for name, count in classes.items()}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_it_composes_and_trains_a_round(name):
    whole = composed(f"experiment={name}", fast=())
    assert whole["max_kimg"] or whole["max_time"], "it ends"
    # Small images, but where the number of resolutions is part of the recipe.
    small = 32 << whole["discriminator"].get("scales", 1) - 1 if "discriminator" in whole else 32
    side = whole["data"]["resolution"] if whole["model"].get("batches") else small
    # Others read columns that only such data has.
    two_images = whole["data"]["_target_"].endswith(("Unpaired", "Pairs", "Labels"))
    data = [] if two_images else ["data=fashion_mini"]
    game = built(f"experiment={name}", *data, f"data.resolution={side}").game
    stream = (
        {**batch, **dict.fromkeys(game.reads, batch["images"]), **maps_for(game, batch)}
        for batch in batches(8, 3 if two_images else 1, side)
    )
    play_rounds(game, stream, math.ceil(game.n_critic.at(0)))
    assert game.clock.generator_updates == 1
    values = game.read_meter()
    assert all(math.isfinite(value) for value in values.values()), values


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_its_header_says_what_it_is(name):
    lines = (Path(CONF) / "experiment" / f"{name}.yaml").read_text().splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith("# ")
