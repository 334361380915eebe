"""A part is a class named by `_target_`; its options are its constructor's keyword-only arguments."""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any

from gan_lab.common.errors import ConfigError, GanLabError, nearest
from gan_lab.config.schema import check_type

ALLOWED_TARGETS = ("gan_lab.", "torch.optim.")


class Leftovers:
    """Keys that a model or experiment set for a part which the user then swapped out.

    They are dropped and told in one line; where the user gave them, they are errors.
    """

    def __init__(self, user_keys: Collection[str]) -> None:
        self.user_keys = user_keys
        self.dropped: list[str] = []

    def drop(self, path: str, why: str, known: Collection[str]) -> None:
        """Note a dropped key.

        Raises:
            ConfigError: if the user set it.
        """
        if any(key == path or key.startswith(f"{path}.") for key in self.user_keys):
            listed = f"; it has {', '.join(sorted(known))}" if known else ""
            hint = nearest(path.rpartition(".")[2], known)
            raise ConfigError(f"{path}: {why}{listed}{hint or '.'}")
        self.dropped.append(path)


def load_target(path: str, node: Mapping[str, Any], allowed: Collection[str]) -> Callable[..., Any]:
    """The class that a part's `_target_` names.

    Raises:
        ConfigError: if there is none, it may not be named, or it cannot be imported.
    """
    target = node.get("_target_")
    if not isinstance(target, str):
        raise ConfigError(
            f"{path}: no part is chosen here (no _target_); choose one with {path}=<name>."
        )
    prefixes = (*ALLOWED_TARGETS, *allowed)
    if not target.startswith(prefixes):
        raise ConfigError(
            f"{path}._target_={target}: only classes below {', '.join(prefixes)} may be named; "
            "add yours with allow_targets=[my_lab.]."
        )
    try:
        found = _import(target)
    except Exception as error:  # importing a user's module can raise anything
        cause = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ConfigError(f"{path}._target_={target}: cannot be imported ({cause}).") from error
    if not callable(found):
        raise ConfigError(f"{path}._target_={target}: is no class.")
    return typing.cast(Callable[..., Any], found)


def _import(target: str) -> Any:
    """The object at a dotted path; Hydra's get_object logs a failure before it raises."""
    module, _, name = target.rpartition(".")
    return getattr(importlib.import_module(module), name)


def constructor_options(factory: Callable[..., Any]) -> dict[str, Any]:
    """Names and annotations of a constructor's options."""
    signature = inspect.signature(factory)
    hints = _hints(factory)
    return {
        name: hints.get(name, Any)
        for name, parameter in signature.parameters.items()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and name != "self"
    }


def _hints(factory: Callable[..., Any]) -> dict[str, Any]:
    function = getattr(factory, "__init__") if isinstance(factory, type) else factory  # noqa: B009 - mypy's advice
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError):
        return {}


def build_part(
    path: str,
    node: Mapping[str, Any],
    *,
    context: Mapping[str, Any],
    leftovers: Leftovers,
    allowed: Collection[str],
) -> Any:
    """Make the part that a node describes.

    Args:
        path: where the node lies, for messages.
        node: `_target_` and options.
        context: values given to constructors that ask for them by name (resolution, channels ...).
        leftovers: takes keys that the constructor does not know.
        allowed: prefixes of the user's own classes.

    Raises:
        ConfigError: if an option has the wrong type or range, or is missing.
    """
    factory = load_target(path, node, allowed)
    known = constructor_options(factory)
    arguments = {name: context[name] for name in known if name in context and name not in node}
    for key, value in node.items():
        if key == "_target_":
            continue
        if key not in known:
            name = node["_target_"].rpartition(".")[2]
            leftovers.drop(f"{path}.{key}", f"{name} has no such option", set(known) - set(context))
            continue
        check_type(f"{path}.{key}", value, known[key])
        arguments[key] = value
    required = {
        name
        for name, parameter in inspect.signature(factory).parameters.items()
        if parameter.default is parameter.empty and name in known
    }
    for name in sorted(required - set(arguments)):
        raise ConfigError(f"{path}.{name}: this option must be given.")
    try:
        return factory(**arguments)
    except GanLabError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path}: {node['_target_']} refuses its options ({error}).") from error
