"""A configuration made in Python: options as keywords, and what it was composed of."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString
from omegaconf import DictConfig, OmegaConf

from gan_lab.common.errors import ConfigError

# What Hydra reads back as the same text without quotes.
_WORD = re.compile(r"[A-Za-z_][\w./-]*")
_VALUES = ("null", "true", "false", "inf", "nan")


class Composed(DictConfig):
    """A composed configuration that still knows how it was asked for.

    Attributes:
        choices: the choice of each group.
        overrides: from which it was composed.
        flags: of the command line, such as --config-dir and its folder.
        before: its options as they were composed.
    """

    choices: dict[str, Any]
    overrides: tuple[str, ...]
    flags: tuple[str, ...]
    before: dict[str, Any]

    # A DictConfig takes what is set on it for options, so these live beside its own inner state.
    def __init__(
        self,
        content: Any,
        *,
        choices: Mapping[str, Any],
        overrides: Sequence[str] = (),
        flags: Sequence[str] = (),
        before: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(content)
        self.__dict__["choices"] = dict(choices)
        self.__dict__["overrides"] = tuple(overrides)
        self.__dict__["flags"] = tuple(flags)
        self.__dict__["before"] = OmegaConf.to_container(self) if before is None else before

    @property
    def unchanged(self) -> bool:
        """Whether its options are still those that were composed, so that the overrides say all of it."""
        return bool(OmegaConf.to_container(self) == self.before)

    def __deepcopy__(self, memo: dict[int, Any]) -> Composed:
        copied = super().__deepcopy__(memo)
        kept = ("choices", "overrides", "flags", "before")
        return Composed(copied, **{name: self.__dict__[name] for name in kept})


def overrides_of(options: Mapping[str, Any]) -> list[str]:
    """Options as Hydra's overrides: `{"generator": {"width": 16}}` is `generator.width=16`.

    Args:
        options: by name or dotted name; a mapping below a name sets the options in it.

    Raises:
        ConfigError: at a value that no option can take.
    """
    found = []
    for path, value in _leaves(options):
        # Python allows no @ or . in a keyword: those names come in a mapping, as a text each.
        found.append(f"{path}={_written(path, value)}")
    return found


def _leaves(options: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in options.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _written(path: str, value: Any) -> str:
    """A value as Hydra's grammar reads it back."""
    if OmegaConf.is_config(value):
        value = OmegaConf.to_container(value)
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, int | float):  # numpy's floats have a repr of their own
        return int.__repr__(value) if isinstance(value, int) else float.__repr__(value)
    if isinstance(value, str | os.PathLike):
        text = os.fspath(value)
        plain = _WORD.fullmatch(text) and text.lower() not in _VALUES
        return text if plain else QuotedString(text, Quote.single).with_quotes()
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{name}:{_written(path, one)}' for name, one in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(_written(path, one) for one in value)}]"
    raise ConfigError(
        f"{path}={value}: is a {type(value).__name__}; an option is a number, a text, true, false, "
        "a list or a mapping."
    )
