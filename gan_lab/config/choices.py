"""Choices that Hydra would merge, take without effect, or end on in a trace of calls: looked at before it composes."""

from __future__ import annotations

from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, QuotedString
from hydra.errors import HydraException

from gan_lab.common.errors import ConfigError, one_of_these
from gan_lab.config.groups import Groups
from gan_lab.config.line import CommandLine
from gan_lab.config.sweeps import matches


def check_choices_of(line: CommandLine, root: str) -> None:
    """Refuse what is no choice of a group, several where one is needed, and taking away what is not there.

    Args:
        line: of the command.
        root: name of the command's own file in conf/.

    Raises:
        ConfigError: at the first.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(line.quoted)
    except (HydraException, RecursionError):  # said by Hydra, in its own place
        return
    groups = Groups.of(line)
    names = groups.names()
    for one in parsed:
        if one.key_or_group == "hydra.verbose":
            _check_verbose(one)
        if one.key_or_group not in names:
            continue
        if one.is_delete():
            _check_deletion(one, groups, root)
        elif not one.is_force_add() and not isinstance(
            one._value, dict
        ):  # else options of its part
            _check_choices(one, groups)


def _check_choices(one: Override, groups: Groups) -> None:
    if isinstance(one._value, Glob):
        if not matches(one, groups):
            choices = ", ".join(groups.choices(one.key_or_group))
            raise ConfigError(f"{one.input_line}: no choice fits; there are {choices}.")
        return
    for value in one._value.list if isinstance(one._value, ChoiceSweep) else [one._value]:
        _check_choice(one, value, groups)


def _check_choice(one: Override, value: Any, groups: Groups) -> None:
    group, said = one.key_or_group, one.input_line
    chosen = [_plain(entry) for entry in value] if isinstance(value, list) else [_plain(value)]
    for choice in chosen:
        if not isinstance(choice, str):
            shown = "null" if choice is None else choice
            choices = one_of_these(groups.choices(group))
            raise ConfigError(
                f"{said}: {shown} names no choice; choose {choices}, or leave it out."
            )
        if chosen.count(choice) > 1:
            raise ConfigError(f"{said}: {choice} is chosen twice; name it once.")
    if isinstance(value, list) and not groups.takes_several(group):
        raise ConfigError(
            f"{said}: one {group} goes into a run; write {group}=<name>, "
            f"or -m {group}=<name>,<name> for one run of each."
        )


def _check_deletion(one: Override, groups: Groups, root: str) -> None:
    key = one.key_or_group if one.package is None else f"{one.key_or_group}@{one.package}"
    if one._value not in (None, "") and not isinstance(one._value, str):
        raise ConfigError(f"{one.input_line}: write ~{key} to take the choice away.")
    if key in groups.unchosen(root):
        raise ConfigError(f"{one.input_line}: nothing is chosen there that could be taken away.")


def _check_verbose(one: Override) -> None:
    value = None if one.is_delete() else one.value()
    names = value if isinstance(value, list) else [value]
    if not isinstance(value, bool) and not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{one.input_line}: must be true, false, or names of loggers.")


def _plain(value: Any) -> Any:
    return value.text if isinstance(value, QuotedString) else value
