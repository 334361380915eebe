"""A command line as Hydra reads it: overrides, and flags in any place between them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from gan_lab.common.errors import ConfigError, nearest
from gan_lab.config.paths import quote_paths, user_path

# It would unpickle what it is given; a run goes on with resume=<folder>.
REFUSED = ("experimental_rerun",)


@dataclass(frozen=True)
class CommandLine:
    """What was typed: overrides such as `seed=1`, flags by the names of Hydra's parser, and behind which command."""

    overrides: tuple[str, ...] = ()
    flags: Mapping[str, Any] = field(default_factory=dict)
    root: str = "train"

    @classmethod
    def parse(cls, arguments: Sequence[str], root: str = "train") -> CommandLine:
        """Read a command line with Hydra's parser.

        Args:
            arguments: as typed.
            root: name of the command.

        Raises:
            ConfigError: at a flag that does not exist, or a value that it does not take; one sentence.
        """
        for argument in arguments:
            if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in argument):
                shown = argument.encode("unicode_escape").decode()
                raise ConfigError(f"{shown}: holds what is not UTF-8 text or cannot be printed.")
        parser = _parser()
        found, unknown = parser.parse_known_intermixed_args(list(arguments))
        flags = {name: value for name, value in vars(found).items() if value not in (None, False)}
        overrides = flags.pop("overrides", None) or []
        names = [_written(name) for name in vars(found) if name not in REFUSED]
        refused = [_written(name) for name in flags if name in REFUSED]
        for flag in [*refused, *unknown]:
            name = flag.partition("=")[0]
            raise ConfigError(f"{name}: no such flag{nearest(name, names) or '; see --help.'}")
        if "config_dir" in flags:
            flags["config_dir"] = str(user_path(flags["config_dir"], "--config-dir"))
        return cls(tuple(overrides), flags, root)

    def arguments(self) -> list[str]:
        """The same line with its flags first and its paths quoted, as Hydra takes it."""
        flags = []
        for name, value in self.flags.items():
            flag = _written(name)
            flags.append(flag if value is True else f"{flag}={value}")
        return [*flags, *self.quoted]

    @property
    def quoted(self) -> list[str]:
        """The overrides with their paths quoted for Hydra."""
        return quote_paths(self.overrides, sweep=self.sweep)

    @property
    def sweep(self) -> bool:
        """Whether it asks for several jobs."""
        return bool(self.flags.get("multirun"))

    @cached_property
    def keys(self) -> list[str]:
        """Dotted paths that the overrides set."""
        return [key for override in self.overrides for key in override_keys(override)]

    @property
    def flag_names(self) -> list[str]:
        """Flags as they are written, such as --config-dir."""
        return [_written(name) for name in self.flags]


def override_key(override: str) -> str:
    """The key of an override such as `+a.b=1` or `~a`."""
    return override.lstrip("+~").partition("=")[0]


def override_keys(override: str) -> list[str]:
    """The dotted paths that an override sets: those inside of `++generator={width: 16}` too."""
    key = override_key(override)
    try:
        parsed = OverridesParser.create().parse_override(override)
    except HydraException:
        return [key]
    value = None if parsed.is_delete() or parsed.is_sweep_override() else parsed.value()
    return [key, *_paths(value, f"{key}.")]


def _paths(node: Any, prefix: str) -> list[str]:
    found = []
    for name, value in node.items() if isinstance(node, Mapping) else ():
        found += [f"{prefix}{name}", *_paths(value, f"{prefix}{name}.")]
    return found


def override_value(override: str) -> str | None:
    """What an override sets, as a text without quotes; None where it takes an option away."""
    parsed = OverridesParser.create().parse_override(quote_paths([override], sweep=False)[0])
    value = None if parsed.is_delete() else parsed.value()
    return None if value is None else str(value)


def _written(flag: str) -> str:
    return f"--{flag.replace('_', '-')}"


def _parser() -> Any:
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()
    parser.add_argument("--list", action="store_true")  # answered by config/help.py
    parser.error = _refuse  # type: ignore[method-assign]
    return parser


def _refuse(message: str) -> NoReturn:
    """What argparse says instead of printing its usage."""
    raise ConfigError(f"The command line cannot be understood: {message.rstrip('.')}.")
