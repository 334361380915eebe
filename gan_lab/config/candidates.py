"""What can stand next on a command line: names of options and choices, and values where they are known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from gan_lab.config.groups import CONF, ROOT, Groups
from gan_lab.config.help import Option, chosen_in, options_of
from gan_lab.config.paths import PATH_OPTIONS

_PACKAGE = re.compile(r"^# @package (\S+)", re.MULTILINE)


def candidates(root: str, word: str) -> list[str]:
    """Words that begin with this one, as far as they can be known; a name ends in `=`.

    Args:
        root: name of the command's own file in conf/.
        word: what stands there so far, such as `model=wg`.
    """
    name, equals, _ = word.partition("=")
    prefix = re.match(r"[+~]*", name)
    sign, key = (prefix[0] if prefix else ""), name.lstrip("+~")
    groups, options = Groups(), {one.path: one for one in _all_options(root)}
    chosen = chosen_in(root)
    if not equals:
        found = [f"{sign}{one}=" for one in (*chosen, *options)]
    elif key in chosen:
        found = [f"{name}={one}" for one in groups.choices(key.partition("@")[0])]
    else:
        found = [f"{name}={one}" for one in _values(options.get(key))]
    return sorted({one for one in found if one.startswith(word)})


def is_path(word: str) -> bool:
    """Whether this word begins the value of an option that names a file or a folder."""
    key, equals, _ = word.partition("=")
    return bool(equals) and key.lstrip("+") in PATH_OPTIONS


def _values(option: Option | None) -> list[str]:
    """The values that an option's comment lists, as in `auto | cpu | cuda`."""
    if option is None:
        return []
    if option.default in ("true", "false"):
        return ["true", "false"]
    listed = option.comment.partition(":")[0].split(" | ")
    words = [one.split(" ")[0] for one in listed if re.match(r"[\w-]+( \(|$)", one)]
    return list(dict.fromkeys([*words, option.default])) if len(words) > 1 else []


def _all_options(root: str) -> Iterator[Option]:
    """The options of a command's own file, and those of every part that it can choose."""
    yield from options_of(Path(CONF) / f"{root}.yaml")
    groups = Groups()
    for name in chosen_in(root):
        group, _, mounted = name.partition("@")
        for choice in groups.choices(group):
            file = groups.file(group, choice)
            if file is None:
                continue
            said = _PACKAGE.search(file.read_text(encoding="utf-8"))
            package = mounted or (said[1] if said else group)
            place = "" if package == ROOT else f"{package}."
            for one in options_of(file):
                yield Option(f"{place}{one.path}", one.default, one.comment)
