"""Walking conf/: what the contracts ask of every choice, without naming any of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from gan_lab.assembly.build import Parts, build
from gan_lab.assembly.kinds import kind_of
from gan_lab.assembly.parts import constructor_options, load_target
from gan_lab.config.groups import CONF, Groups
from gan_lab.config.line import override_key
from gan_lab.train import compose

FAST = ("debug=tiny", "logger=none", "metrics=none", "strategy=cpu")
# What makes deep models tiny too; two plus signs, since another part may have been chosen that has no such option.
SHALLOW = {
    "gat": ("++generator.depth=2", "++discriminator.depth=2"),
    "adversarial_flow": ("++generator.depth=2", "++discriminator.depth=2"),
    "transgan": ("++generator.depths=[1]", "++discriminator.depths=[1]"),
    "stylegan3": ("++generator.layers=4", "++generator.margin=2"),
}
# Generators that map noise of an image's size, and no other.
NOISE_OF_IMAGES = ("adversarial_flow", "edm")
PENALTIES = Groups().choices("penalty")
PLAYERS = ("discriminator", "generator")


def for_images(group: str) -> list[str]:
    """The choices of networks that take pixels and no more; others are for data, or games, of another kind."""
    needed = {"generator": {"resolution", "latent_dim"}, "discriminator": {"resolution"}}[group]
    facts = {"resolution", "latent_dim"}
    return [
        file.stem
        for file in files(group)
        if facts & set(options_of(file)) == needed and "source_channels" not in options_of(file)
    ]


def holds_images(data: str) -> bool:
    """Whether the sets of this choice are images."""
    (file,) = [file for file in files("data") if file.stem == data]
    return "resolution" in options_of(file)


def options_of(file: Path) -> dict[str, Any]:
    """The options of the constructor that a file of conf/ names."""
    group = file.parent.name
    return constructor_options(load_target(group, content(file), kind_of(group)))


def composed(*overrides: str, fast: tuple[str, ...] = FAST) -> dict[str, Any]:
    """The resolved configuration of this command line, tiny unless it says otherwise."""
    given = {override_key(override) for override in overrides}
    shallow = [o for name, more in SHALLOW.items() if f"model={name}" in overrides for o in more]
    if "generator=stylegan3" in overrides:
        shallow += SHALLOW["stylegan3"]
    kept = [override for override in (*fast, *shallow) if override_key(override) not in given]
    config = OmegaConf.to_container(compose([*kept, *overrides]), resolve=True)
    assert isinstance(config, dict)
    return config


def built(*overrides: str) -> Parts:
    """The parts of this command line; it names them so that leftovers of the user's are errors."""
    return build(composed(*overrides), [override_key(override) for override in overrides])


def files(*groups: str) -> list[Path]:
    """The YAML files of these groups, sorted."""
    return [
        Path(CONF) / group / f"{name}.yaml" for group in groups for name in Groups().choices(group)
    ]


def content(file: Path) -> dict[str, Any]:
    """What a file of conf/ holds, comments aside."""
    return yaml.safe_load(file.read_text()) or {}


def name_of(file: Path) -> str:
    """A file's name in test ids: loss/hinge."""
    return f"{file.parent.name}/{file.stem}"


def resting(game: Any) -> set[str]:
    """Names of the parameters whose level's turn has not come, or is over, in the phase of now."""
    setting = game.phase.setting
    if "side" not in setting:
        return set()
    newest = (setting["side"] // 4).bit_length() - 1
    faded_out = newest - 1 if setting["fading"] else newest  # the coarsest colours in use
    found = set()
    for name, _ in game.named_parameters():
        network, kind, level = [*name.split("."), "", ""][:3]
        first = 1 if network == "discriminator" else 0  # its levels begin at 8 px
        if kind == "levels" and int(level) + first > newest:
            found.add(name)
        if kind == "colours" and not faded_out <= int(level) <= newest:
            found.add(name)
    return found


def _kind(model: str) -> str:
    """What the samples of this model are: images, text, or translations, which are made of images."""
    (file,) = [file for file in files("model") if file.stem == model]
    game = load_target("model", content(file)["model"], kind_of("model"))
    found: str = getattr(game, "makes")  # noqa: B009 - load_target promises a callable only
    return "translations" if getattr(game, "sources", ()) else found


def _is_adversarial(model: str) -> bool:
    """Whether this model's game takes an adversarial loss; a diffusion model does not."""
    (file,) = [file for file in files("model") if file.stem == model]
    game = load_target("model", content(file)["model"], kind_of("model"))
    return "loss" in constructor_options(game)


MODELS = [n for n in Groups().choices("model") if _kind(n) == "images" and _is_adversarial(n)]
TEXT_MODELS = [name for name in Groups().choices("model") if _kind(name) == "text"]
TRANSLATIONS = [name for name in Groups().choices("model") if _kind(name) == "translations"]
