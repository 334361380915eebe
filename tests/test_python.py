"""Training from Python: keywords, the folder's name, and what comes back."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from omegaconf import OmegaConf

import gan_lab
from gan_lab.common.errors import ConfigError
from gan_lab.config.composed import Composed
from gan_lab.config.composed import overrides_of as written
from gan_lab.train import compose, main, train
from tests.conftest import REPOSITORY

TINY = {"debug": "tiny", "logger": "none", "max_rounds": 3}


def test_training_by_keywords(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = train(
        **TINY,
        model="wgan_gp",
        generator={"width": 8},
        metrics={"num_samples": 48, "num_reals": 64, "every_kimg": 0.01},
        **{"optimizer.generator.lr": 3e-4},
    )
    assert result.folder.is_absolute(), (
        "so that it holds where a notebook has gone to another folder"
    )
    name = result.folder.relative_to(tmp_path).as_posix()
    assert re.fullmatch(r"outputs/\d{4}-\d\d-\d\d/\d\d-\d\d-\d\d-\d{6}-wgan_gp-fashion_mini", name)
    config = yaml.safe_load((result.folder / "config.yaml").read_text())
    assert config["generator"]["width"] == 8
    assert config["optimizer"]["generator"]["lr"] == 3e-4
    said = yaml.safe_load((result.folder / "overrides.yaml").read_text())
    assert said["choices"]["model"] == "wgan_gp"
    assert "generator.width=8" in said["overrides"]
    # The records are the source of all three: read here once more by hand.
    values = [one["metric/small_frechet"] for one in result.history if "protocol" in one]
    assert len(values) > 1
    assert result.metric.name == "small_frechet"
    assert result.metric.last == values[-1]
    assert result.metric.best in values
    assert all(
        np.isfinite(one["loss/generator/total"])
        for one in result.history
        if "loss/generator/total" in one
    )
    assert "wgan_gp on fashion_mini" in repr(gan_lab.load(result.folder))


def test_training_of_what_was_composed(tmp_path):
    config = compose(["model=lsgan", "max_rounds=1"], debug="tiny", logger="none", metrics="none")
    result = train(copy.deepcopy(config), tmp_path / "run")
    assert result.folder == tmp_path / "run"
    assert result.metric is None
    choices = yaml.safe_load((result.folder / "overrides.yaml").read_text())["choices"]
    assert choices["model"] == "lsgan"
    assert main([f"resume={result.folder}", "max_rounds=2"]) == 0, (
        "the command line goes on with it"
    )
    assert train(resume=result.folder, max_rounds=3).folder == result.folder
    model = gan_lab.load(result.folder)
    assert model.iteration == 3
    assert "lsgan on fashion_mini" in repr(model)
    with pytest.raises(ConfigError, match="max_rounds: options go into compose"):
        train(config, max_rounds=3)


def test_a_configuration_that_was_changed_after_composing(tmp_path, monkeypatch):
    """What it was composed from says no longer what it is, so only the folder's name is taken from there."""
    monkeypatch.chdir(tmp_path)
    config = compose(["model=lsgan", "max_rounds=9"], debug="tiny", logger="none", metrics="none")
    assert config.unchanged
    config.max_rounds = 1
    assert not config.unchanged
    assert not copy.deepcopy(config).unchanged
    result = train(config)
    assert result.folder.name.endswith("-lsgan-fashion_mini")
    assert gan_lab.load(result.folder).iteration == 1
    assert yaml.safe_load((result.folder / "overrides.yaml").read_text())["choices"] == {}
    assert main([f"resume={result.folder}", "max_rounds=2"]) == 0
    assert gan_lab.load(result.folder).iteration == 2


def test_wrong_keywords_are_sentences():
    with pytest.raises(ConfigError, match="modle: no such option; did you mean model"):
        train(modle="dcgan")
    with pytest.raises(ConfigError, match="did you mean wgan_gp"):
        train(model="wgan_pg")
    with pytest.raises(ConfigError, match=r"seed=<.*: is a object; an option is a number"):
        train(seed=object())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"penalty": ["r1", "gradient_penalty"]}, ["penalty=[r1,gradient_penalty]"]),
        ({"optimizer": {"generator": {"lr": 1e-5}}}, ["optimizer.generator.lr=1e-05"]),
        ({"optimizer.generator.lr": np.float64(0.25)}, ["optimizer.generator.lr=0.25"]),
        ({"max_kimg": None, "compile": True}, ["max_kimg=null", "compile=true"]),
        ({"data": {"root": Path("/my photos, all")}}, ["data.root='/my photos, all'"]),
        ({"a": "null", "b": "3", "c": "it's"}, ["a='null'", "b='3'", "c='it\\'s'"]),
        ({"penalty": {}, "a": [{"b": 1}]}, ["penalty={}", "a=[{b:1}]"]),
    ],
)
def test_keywords_as_overrides(options, expected):
    assert written(options) == expected


def test_composed_options_are_those_of_the_command_line():
    by_keywords = compose(model="sngan", penalty=["r1"], data={"batch_size": 32})
    by_text = compose(["model=sngan", "penalty=[r1]", "data.batch_size=32"])
    assert by_keywords == by_text
    assert isinstance(by_keywords, Composed)
    assert by_keywords.choices == by_text.choices
    assert "hydra" not in by_keywords
    assert OmegaConf.is_struct(by_keywords)
    copied = copy.deepcopy(by_keywords)
    assert copied == by_keywords
    assert copied.choices["model"] == "sngan"


def test_types_are_shipped():
    """Type checkers read a package's annotations where this file lies beside them."""
    assert (REPOSITORY / "gan_lab" / "py.typed").is_file()
