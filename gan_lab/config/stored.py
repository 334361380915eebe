"""What the files of a run say. They may come from anybody: they are data, and nothing in them is obeyed blindly."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from gan_lab.common.commands import option
from gan_lab.common.errors import ConfigError, first_line
from gan_lab.config.line import override_key
from gan_lab.config.older import renamed, with_named_metrics
from gan_lab.config.paths import PATH_OPTIONS
from gan_lab.storage.run_folder import RunFolder

MOST_BYTES = 1_000_000  # of a stored file of options; ours have a few thousand
MOST_VALUES = 100_000  # YAML's aliases can make billions out of a few lines

# Never taken from a file: permission comes from the keyboard.
_PERSONAL = ("allow_targets", "resume")
# What a run began with: it has these weights, and never looks there again.
_PAST = ("init", "init_weights", "init_origin")
# Always a stranger's, also inside the folder: configurations may name callbacks and launchers of Hydra.
CONFIG_DIR = "--config-dir"
PLACES = (*PATH_OPTIONS, CONFIG_DIR)
_ROOTED = re.compile(r"[/\\~]|[A-Za-z]:[/\\]|[A-Za-z][\w+.-]*://")

# Where parts lie that a stored configuration names by the place they had before.
MOVED = {
    "gan_lab.latents.": "gan_lab.latents.distributions.",
    "gan_lab.data.celeba.": "gan_lab.data.sets.celeba.",
    "gan_lab.data.cifar.": "gan_lab.data.sets.cifar.",
    "gan_lab.data.fashion_mini.": "gan_lab.data.sets.fashion_mini.",
    "gan_lab.data.folder.": "gan_lab.data.sets.folder.",
    "gan_lab.data.mnist.": "gan_lab.data.sets.mnist.",
}


def stored_config(folder: RunFolder) -> dict[str, Any]:
    """The composed configuration of a run, as plain values: no interpolation is resolved, no permission taken.

    Raises:
        ConfigError: if the file is missing, damaged or no configuration.
    """
    config = _read(folder.config)
    if not isinstance(config, dict):
        raise ConfigError(f"{folder.config}: is no configuration of a run.")
    return {**with_named_metrics(_moved(config)), "allow_targets": []}


def stored_command(folder: RunFolder) -> dict[str, Any]:
    """What overrides.yaml holds: overrides, flags (--config-dir) and the groups' choices; empty without the file.

    Raises:
        ConfigError: if the file is damaged.
    """
    found: dict[str, Any] = {"overrides": [], "flags": [], "choices": {}}
    if folder.overrides.exists():
        content = _read(folder.overrides)
        if not isinstance(content, dict):
            raise ConfigError(f"{folder.overrides}: is no command line of a run.")
        found |= {key: value for key, value in content.items() if key in found}
    texts = [*found["overrides"], *found["flags"]] if _are_lists(found) else [None]
    if not all(isinstance(text, str) for text in texts) or not isinstance(found["choices"], dict):
        raise ConfigError(
            f"{folder.overrides}: is damaged; overrides and flags must be lists of texts."
        )
    return found


def _are_lists(found: Mapping[str, Any]) -> bool:
    return isinstance(found["overrides"], list) and isinstance(found["flags"], list)


def replayable(folder: RunFolder, given: Collection[str]) -> list[str]:
    """The overrides of a stored command line that were not given again.

    Raises:
        ConfigError: at one that would reach beyond the run's options: Hydra's own settings, or an interpolation.
    """
    kept = []
    for text in map(renamed, stored_command(folder)["overrides"]):
        key = override_key(text)
        if key in given:
            continue
        parsed = _parsed(folder, text)
        places = re.split(r"[.@/:]", f"{parsed.key_or_group}/{parsed.package or ''}")
        if "hydra" in places or "_global_" in places:
            raise ConfigError(
                f"{folder.overrides}: {text} would change Hydra itself, which a stored command line may not; "
                "remove that line."
            )
        roots = (
            re.split(r"[./]", place)[0] for place in (parsed.key_or_group, parsed.package or "")
        )
        if {*_PERSONAL, *_PAST} & set(roots):
            continue
        # Both: Hydra's grammar can write `${` as `$\{`, so that only the value shows it.
        if any("${" in one for one in (text, *_all_texts(parsed.value()))):
            raise ConfigError(
                f"{folder.overrides}: {text} is not resolved from a stored command line; give {key}= again."
            )
        kept.append(text)
    return kept


def _all_texts(node: Any) -> list[str]:
    """Texts of a value, names of nested options among them."""
    return [part for path, text in _texts(node) for part in (path, text)]


def _parsed(folder: RunFolder, text: str) -> Override:
    try:
        return OverridesParser.create().parse_override(text)
    except (HydraException, RecursionError, ValueError) as error:
        raise ConfigError(
            f"{folder.overrides}: {text!r} is no option ({first_line(error)})."
        ) from error


def refuse_outside(folder: RunFolder, options: Mapping[str, Any], given: Collection[str]) -> None:
    """Refuse options of somebody else's run that are paths out of its folder.

    Args:
        folder: of the run.
        options: values by dotted path, nested or not.
        given: dotted paths that the person gave now.

    Raises:
        ConfigError: at the first, with what to add to allow it.
    """
    for path, value in _texts(options):
        if path.partition(".")[0] in (*_PERSONAL, *_PAST) or any(
            _covers(key, path) for key in given
        ):
            continue
        # Only of options that are read as paths is it known from where; a group's choice starts in conf/.
        ours = path in PATH_OPTIONS and _inside(folder.path, value)
        if not ours and (path in PLACES or _leads_away(value)):
            raise ConfigError(
                f"{folder.path}: this run was made elsewhere, and its {path} lies outside its folder; "
                f"add {option(path, value)} if you want that."
            )


def refuse_outside_overrides(folder: RunFolder, overrides: Collection[str]) -> None:
    """The same for the overrides of a stored command line.

    Raises:
        ConfigError: at the first.
    """
    for text in overrides:
        parsed = _parsed(folder, text)
        if not parsed.is_delete():
            refuse_outside(folder, {parsed.key_or_group: parsed.value()}, ())


def _leads_away(value: str) -> bool:
    return bool(_ROOTED.match(value)) or ".." in re.split(r"[/\\]", value)


def _covers(key: str, path: str) -> bool:
    key = key.partition("@")[2] or key
    return path == key or path.startswith(f"{key}.")


def _inside(folder: Path, value: str) -> bool:
    if value.startswith("~") or "\0" in value:  # which no file is called
        return False
    return Path(value).resolve().is_relative_to(folder.resolve())


def _texts(node: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every text of nested containers with its dotted path; an entry of a list has the list's."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _texts(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _texts(value, prefix)
    elif node is not None and not isinstance(node, bool | int | float):
        yield prefix, str(node)


def _read(file: Path) -> Any:
    import yaml

    class Plain(yaml.SafeLoader):
        """Refuses merge keys, which nothing of ours writes: a few lines of them fill any memory."""

        def flatten_mapping(self, node: Any) -> None:
            if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
                raise ValueError("it holds a merge key (<<)")

    try:
        if file.stat().st_size > MOST_BYTES:
            raise ConfigError(f"{file}: is too large to hold the options of a run.")
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=Plain)
        _count(content, [0])
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())[:200]
        raise ConfigError(f"{file}: cannot be read ({said}).") from error
    return content


def _count(node: Any, seen: list[int]) -> None:
    seen[0] += 1
    if seen[0] > MOST_VALUES:
        raise ValueError("it holds too many values")
    if isinstance(node, dict):
        if not all(isinstance(key, str) for key in node):
            raise ValueError("a name of an option is no text")
        node = list(node.values())
    for value in node if isinstance(node, list) else ():
        _count(value, seen)


def _moved(node: Any) -> Any:
    """The configuration with `_target_`s as they are called now."""
    if not isinstance(node, dict):
        return node
    found = {key: _moved(value) for key, value in node.items()}
    target = found.get("_target_")
    if isinstance(target, str):
        place, _, name = target.rpartition(".")
        found["_target_"] = MOVED.get(f"{place}.", f"{place}.") + name
    return found
