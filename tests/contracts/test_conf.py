"""conf/ and the constructors say the same: every option once, with its default, its paper and its place."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
from torch import nn

import gan_lab
from gan_lab.assembly.kinds import SIDES, kind_of
from gan_lab.assembly.parts import constructor_options, load_target
from gan_lab.config.groups import CONF, Groups
from gan_lab.config.schema import FIELDS, MISSING, lookup
from gan_lab.engine.module import AdversarialModule
from gan_lab.generation.pretrained import load
from gan_lab.generation.trained import Pretrained
from gan_lab.losses.adversarial import Loss
from gan_lab.metrics.score import Metric
from gan_lab.run.callbacks import KIND as CALLBACKS
from tests.contracts.walk import composed, content, files, name_of

# What build.py gives a constructor by name; never in YAML.
CONTEXT = {
    "generator": {
        "resolution",
        "channels",
        "latent_dim",
        "label_dim",
        "vocab_size",
        "length",
        "encoded_channels",
        "encoded_halvings",
    },
    "discriminator": {"resolution", "channels", "latent_dim", "label_dim", "vocab_size", "length"},
    "encoder": {"resolution", "channels", "latent_dim"},
    "auxiliary": {
        "feature_dim",
        "local_dim",
        "layer_count",
        "label_dim",
        "codes",
        "judges_pixels",
        "latent_dim",
        "resolution",
        "channels",
    },
    "latent": {"resolution", "channels"},
    "augment": {"channels"},
    "logger": {"folder", "command", "identity", "mode", "config", "resolved"},
}
# What belongs to the run and stands beside a part's options.
BESIDE = {"data": {"batch_size", "device"}}

PART_GROUPS = (
    "generator",
    "discriminator",
    "encoder",
    "loss",
    "penalty",
    "auxiliary",
    "augment",
    "degrade",
    "latent",
    "data",
    "metrics",
    "logger",
)
PART_FILES = [f for f in files(*PART_GROUPS) if content(f).get("_target_") is not None]

PAPER = re.compile(r"arXiv:\d{4}\.\d{4,5}|\((?:[^()]*[ ,])?(?:19|20)\d{2}\)")


@pytest.mark.parametrize("file", PART_FILES, ids=name_of)
def test_yaml_lists_the_constructors_options_with_their_defaults(file):
    group, written = file.parent.name, content(file)
    factory = load_target(name_of(file), written, kind_of(file.parent.name))
    context = CONTEXT.get(group, set())
    parameters = inspect.signature(factory).parameters
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters.values()), "options are keyword-only"
    options = {name: p for name, p in parameters.items() if name not in context}
    given = {k: v for k, v in written.items() if k != "_target_" and k not in BESIDE.get(group, ())}
    assert set(given) == set(options), "the YAML file lists exactly the constructor's options"
    for name, parameter in options.items():
        assert parameter.default is not parameter.empty, f"{name} has no default"
        default = (
            list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
        )
        assert given[name] == default, name
        assert type(given[name]) is type(default) or {type(given[name]), type(default)} == {
            int,
            float,
        }, name
        assert parameter.annotation is not parameter.empty, f"{name} has no type"


@pytest.mark.parametrize("file", files("optimizer"), ids=name_of)
def test_optimizers_options_are_known_to_torch(file):
    written = content(file)
    factory = load_target(name_of(file), written, kind_of(file.parent.name))
    assert {"lr", "clip_norm"} <= set(written)
    assert set(written) - {"_target_", "clip_norm"} <= set(inspect.signature(factory).parameters)
    for player in ("generator", "discriminator"):
        config = composed(f"optimizer@optimizer.{player}={file.stem}")
        assert set(config["optimizer"][player]) == set(written)


@pytest.mark.parametrize("file", files("model"), ids=name_of)
def test_model_files_are_short_and_name_a_game(file):
    text = file.read_text()
    assert len(text.splitlines()) <= 25
    assert text.startswith("# @package _global_\n"), "a model may choose any part"
    node = content(file)["model"]
    game = load_target("model", node, kind_of("model"))
    assert issubclass(game, AdversarialModule)
    assert set(node) - {"_target_"} <= set(constructor_options(game))
    # Parts are chosen in the defaults list and their numbers set in sections of the same names.
    assert "override" in text


@pytest.mark.parametrize(
    "file",
    files(
        "model", "loss", "penalty", "auxiliary", "augment", "degrade", "generator", "discriminator"
    ),
    ids=name_of,
)
def test_headers_cite_the_paper(file):
    header = "\n".join(line for line in file.read_text().splitlines() if line.startswith("#"))
    assert PAPER.search(header), "the header names the paper: arXiv number, or author and year"


@pytest.mark.parametrize(
    "group", ["penalty", "auxiliary", "augment", "degrade", "metrics", "logger"]
)
def test_parts_of_which_several_are_chosen_have_places_of_their_own(group):
    for name in Groups().choices(group):
        if name == "none":
            continue
        config = composed(f"{group}=[{name}]")
        assert "_target_" in config[group][name]


def test_every_choice_says_what_it_is():
    """The first comment after an @package line is the sentence for people."""
    for file in files(*PART_GROUPS, "optimizer", "strategy", "model", "debug"):
        lines = [
            line for line in file.read_text().splitlines() if not line.startswith("# @package")
        ]
        assert lines[0].startswith("# "), name_of(file)
        assert len(lines[0]) > 10


# Classes ----------------------------------------------------------------------------------------


def has_gaps(class_: type) -> bool:
    """Whether a method is left for a subclass to write; modules of torch are no abstract classes of Python."""
    found = (getattr(class_, name, None) for name in dir(class_))
    return any(getattr(method, "__isabstractmethod__", False) for method in found)


def is_part(module: str, class_: type) -> bool:
    """Whether a class of this package is a part that a user may choose."""
    package = module.split(".")[1]
    own = vars(class_)
    if package == "networks":
        # What several networks share is a base, and asks for no fact of the data.
        asks = {"resolution", "vocab_size"} & set(inspect.signature(class_).parameters)
        known = class_.__name__.endswith(("Generator", "Discriminator", "Encoder"))
        return issubclass(class_, nn.Module) and known and bool(asks)
    if package == "losses":
        return issubclass(class_, Loss) and not inspect.isabstract(class_)
    if package == "penalties":
        called = "forward" if issubclass(class_, nn.Module) else "__call__"
        return callable(own.get("project")) or called in own
    if package == "auxiliary":
        sides = any(hasattr(class_, side) for side in SIDES)
        return issubclass(class_, nn.Module) and sides and not has_gaps(class_)
    if package in ("augment", "degrade"):
        # What an augmentation is made of takes no random numbers of its own.
        draws = (
            "draw" in inspect.signature(own["forward"]).parameters if "forward" in own else False
        )
        return issubclass(class_, nn.Module) and draws
    if package == "latents":
        return hasattr(class_, "from_normal") and not getattr(class_, "_is_protocol", False)
    if package == "metrics":
        return issubclass(class_, Metric) and "key" in vars(class_)
    if package == "data":
        return callable(getattr(class_, "load", None)) and hasattr(class_, "splits")
    if package == "loggers":
        return class_.__name__.endswith("Tracker") and not getattr(class_, "_is_protocol", False)
    # A game that is no base says who plays.
    return (
        package == "games"
        and issubclass(class_, AdversarialModule)
        and class_.players is not AdversarialModule.players
    )


def parts_of_the_library():
    found = set()
    for info in pkgutil.walk_packages(gan_lab.__path__, "gan_lab."):
        package = info.name.split(".")[1]
        if package not in (
            "networks",
            "losses",
            "penalties",
            "auxiliary",
            "augment",
            "degrade",
            "latents",
            "metrics",
            "data",
            "loggers",
            "games",
        ):
            continue
        module = importlib.import_module(info.name)
        for name, class_ in vars(module).items():
            if (
                inspect.isclass(class_)
                and class_.__module__ == info.name
                and not name.startswith("_")
                and is_part(info.name, class_)
            ):
                found.add(f"{info.name}.{name}")
    return found  # fmt: skip


def test_every_part_is_named_by_a_file_of_conf():
    """A class that no YAML names cannot be chosen; a YAML that names none of them is not walked here."""
    named = {content(file)["_target_"] for file in PART_FILES}
    named |= {content(file)["model"]["_target_"] for file in files("model")}
    assert parts_of_the_library() - named == set()
    # Relativistic is in gan_lab.losses; everything named is recognised, or this test would miss new classes.
    assert named - parts_of_the_library() == set()


def test_every_run_wide_option_has_a_value_in_the_root():
    config = composed(fast=())
    missing = [path for path in FIELDS if lookup(config, path) is MISSING]
    assert missing == []
    sections = {"samples", "ema", "checkpoint", "sweep", "strategy"}
    for section in sections:
        assert {f"{section}.{key}" for key in config[section]} <= set(FIELDS)


# Defaults have one home: conf/. A constructor repeats its YAML file's for Python, which the first test here holds.

AFTER = ("sample", "evaluate", "export", "interpolate", "timelapse", "latent", "translate")
# Options that mean the same in every command and in Python.
SHARED = (
    "checkpoint", "ema", "device", "overwrite", "allow_targets", "batch_size", "truncation", "seed", "batch_norm",
    "loop",
)  # fmt: skip


def plain(name, default):
    """A default of Python as YAML has it: there no device is `auto`."""
    if name == "device" and default is None:
        return "auto"
    return list(default) if isinstance(default, tuple) else default


def test_callbacks_of_the_root_have_their_defaults_there_alone():
    for name, node in content(Path(CONF) / "train.yaml")["callbacks"].items():
        parameters = inspect.signature(load_target(name, node, CALLBACKS)).parameters
        assert [p.name for p in parameters.values() if p.default is not p.empty] == [], name


def test_commands_agree_on_what_they_share():
    roots = {name: content(Path(CONF) / f"{name}.yaml") for name in AFTER}
    for option in SHARED:
        defaults = {name: root[option] for name, root in roots.items() if option in root}
        assert len({str(value) for value in defaults.values()}) <= 1, (option, defaults)


@pytest.mark.parametrize(
    ("function", "command"),
    [(load, "sample"), (Pretrained.sample, "sample"), (Pretrained.latents, "sample"), (Pretrained.generate, "sample"),
     (Pretrained.walk, "interpolate"), (Pretrained.latents_of, "interpolate")],
)  # fmt: skip
def test_python_has_the_defaults_of_the_command(function, command):
    written = content(Path(CONF) / f"{command}.yaml")
    parameters = inspect.signature(function).parameters
    shared = [name for name in parameters if name in SHARED and name in written]
    assert shared, "there is something to hold"
    for name in shared:
        if (default := parameters[name].default) is not inspect.Parameter.empty:
            assert plain(name, default) == written[name], name


def test_no_code_has_a_default_of_a_root_option_beside_the_root():
    """`config.get("tf32", False)` would be a second home; what older run folders lack is named here."""
    roots = {path.partition(".")[0] for path in FIELDS} | {
        path.rpartition(".")[2] for path in FIELDS
    }
    found = []
    for file in sorted(Path(gan_lab.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="config" | "options"), attr="get" | "pop"),
                    args=[ast.Constant(value=name), ast.Constant(value=default)],
                ) if name in roots and default is not None:
                    found.append((file.name, name))
    assert found == [("trained.py", "tf32")]
