"""In which options runs differ: what a comparison calls them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from gan_lab.common.errors import GanLabError
from gan_lab.config.line import override_key
from gan_lab.config.resume import differences
from gan_lab.config.schema import MISSING, lookup
from gan_lab.config.stored import stored_command, stored_config
from gan_lab.storage.run_folder import RunFolder

# Options that change where results go and nothing about them.
SILENT = ("logger", "resume", "hydra", "sweep", "allow_targets")
MOST_PATHS = 6

Options = dict[str, str]


def distinctions(folders: Sequence[RunFolder]) -> list[Options]:
    """The options in which runs differ, by run: `[{"model": "gan"}, {"model": "wgan"}]`.

    What was asked for comes first: `model=wgan` stands for the dozen options it sets. Where that
    does not tell two runs apart, the paths in which their configurations differ are added.
    """
    runs = [_Asked(folder) for folder in folders]
    keys = dict.fromkeys(key for run in runs for key in run.keys)
    found = _differing([{key: run.value(key) for key in keys} for run in runs])
    alike: dict[tuple[tuple[str, str], ...], list[_Asked]] = {}
    for run, one in zip(runs, found, strict=True):
        alike.setdefault(tuple(one.items()), []).append(run)
    paths = dict.fromkeys(
        path
        for first, *others in alike.values()
        for run in others
        for path, _, _ in differences(first.config, run.config)
        if path.split(".")[0] not in SILENT
        and path not in keys
        # Another version may lack a path or have a new one: that says nothing about the run.
        and all(lookup(other.config, path) is not MISSING for other in runs)
    )
    more = _differing([{path: run.value(path) for path in paths} for run in runs])
    kept = list(more[0] if more else {})[:MOST_PATHS]
    return [{**a, **{path: b[path] for path in kept}} for a, b in zip(found, more, strict=True)]


def short(options: Sequence[Options]) -> list[Options]:
    """The same with as few words of each option's name as tell them apart, and without the folders of a path."""
    keys = list(options[0]) if options else []
    names = {key: _shortest(key, keys) for key in keys}
    return [{names[key]: _base(value) for key, value in one.items()} for one in options]


def _shortest(key: str, keys: Sequence[str]) -> str:
    words = key.split(".")
    ends = [".".join(words[-count:]) for count in range(1, len(words) + 1)]
    others = [other for other in keys if other != key]
    return next(
        (end for end in ends if not any(f".{other}".endswith(f".{end}") for other in others)), key
    )


def _base(value: str) -> str:
    """A value, of a path only its last part."""
    return re.split(r"[/\\]", value.rstrip("/\\"))[-1] or value


def text(options: Options) -> str:
    """Options as on the command line."""
    return " ".join(f"{key}={value}" for key, value in options.items())


class _Asked:
    """What was asked of a run; empty where it failed before it could write that down."""

    def __init__(self, folder: RunFolder) -> None:
        stored: dict[str, Any] = {}
        with contextlib.suppress(GanLabError):  # damaged: the folder's name tells it apart
            stored = stored_command(folder)
        self.choices: Mapping[str, Any] = stored.get("choices", {})
        self.given = {override_key(o): o.partition("=")[2] for o in stored.get("overrides", ())}
        self.keys = [k for k in self.given if k.split(".")[0].split("/")[0] not in SILENT]
        try:
            self.config = stored_config(folder)
        except GanLabError:
            self.config = {}

    def value(self, key: str) -> str:
        """A group's choice, else the composed value, else what was written."""
        if key in self.choices:
            value = self.choices[key]
        else:
            value = lookup(self.config, key)
            if value is MISSING:
                value = self.given.get(key, "-")
        return _shown(value)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):  # a group of which several are chosen
        value = [name for name, part in value.items() if isinstance(part, Mapping)]
    if isinstance(value, list):
        return f"[{','.join(map(_shown, value))}]"
    if isinstance(value, str) and not value.lstrip("-").isdigit():
        with contextlib.suppress(ValueError):  # 1e-4 and 0.0001 are the same
            return f"{float(value):g}"
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _differing(tables: Sequence[Options]) -> list[Options]:
    keys = [key for key in (tables[0] if tables else {}) if len({t[key] for t in tables}) > 1]
    return [{key: table[key] for key in keys} for table in tables]


def asked_in_short(overrides: Sequence[str]) -> str:
    """What was asked for, without what changes where results go alone, and without the folders of paths."""
    pairs = [override.partition("=") for override in overrides]
    told = [
        f"{key}={_base(value)}"
        for key, _, value in pairs
        if override_key(key).split(".")[0].split("/")[0] not in SILENT
    ]
    return " ".join(told)
