"""A part is a class named by `_target_`; its options are its constructor's keyword-only arguments."""

from __future__ import annotations

import importlib
import inspect
import re
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gan_lab.assembly.kinds import Kind
from gan_lab.assembly.sizes import refuse_too_large
from gan_lab.common.errors import ConfigError, GanLabError, first_line, nearest
from gan_lab.config.types import check_type

# What is said where a constructor asks for a fact that the data, or another part, lacks; {} are its path and the fact.
FACTS_OF_DATA = {
    "label_dim": "{}: needs labels, and this data has none; choose data with classes, such as data=mnist or a folder "
    "with one folder for each class.",
    "vocab_size": "{}: needs text, and this data has none; choose data=text.",
    "feature_dim": "{}: reads features, and this discriminator offers none; choose discriminator=dcgan or another.",
    "local_dim": "{}: reads features of places, and this discriminator offers none; choose discriminator=dcgan or "
    "discriminator=resnet.",
    "encoded_channels": "{}: decodes what an encoder sees, and this model has none that shows it; choose model=style "
    "with encoder=perceptual.",
    "layer_count": "{}: reads the layers of a discriminator, and this one shows none; choose discriminator=patch.",
    "judges_pixels": "{}: reads logits of pixels, and this discriminator has none; choose discriminator=unet.",
    "latent_dim": "{}: is for latents, and this model has none, since it makes images of images; choose another.",
    "codes": "{}: reads codes, and these latents have none; choose model=infogan, or latents with codes.",
    "resolution": "{}: needs images, and this data has none; choose data=mnist or a folder of images.",
}


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

    def refuse_taken_away(self, path: str, missing: Collection[str]) -> None:
        """Refuse an override such as `~generator.width`, after which the class would choose a value by itself.

        Raises:
            ConfigError: naming the option.
        """
        for name in sorted(missing):
            if f"{path}.{name}" in self.user_keys:
                raise ConfigError(
                    f"~{path}.{name}: an option of a part cannot be taken away; give it another value."
                )


def load_target(
    path: str, node: Mapping[str, Any], kind: Kind, allowed: Collection[str] = ()
) -> Callable[..., Any]:
    """The class that a part's `_target_` names, which was not called yet.

    Args:
        path: where the node lies, for messages.
        node: holds `_target_`.
        kind: what it must be.
        allowed: prefixes of the user's own classes.

    Raises:
        ConfigError: if there is none, it may not be named, it cannot be imported, or it is of another kind.
    """
    target = node.get("_target_")
    if not isinstance(target, str):
        raise ConfigError(
            f"{path}: no part is chosen here (no _target_); choose one with {path}=<name>."
        )
    said = f"{path}._target_={target}"
    module, _, name = target.rpartition(".")
    prefix = next((p for p in (*kind.rooms, *allowed) if _below(target, p)), None)
    if prefix is None:
        raise ConfigError(f"{said}: {_why_not(target, kind)}")
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:  # importing a user's module can raise anything
        raise ConfigError(f"{said}: cannot be imported ({first_line(error)}).") from error
    if not isinstance(found, type):
        raise ConfigError(f"{said}: is no class.")
    # What a module has imported is not its own: os.system must not be reached through a module that uses os.
    if _below(target, OURS):
        own = module == found.__module__ and not name.startswith("_")
    else:
        own = _below(found.__module__, prefix)
    if not own or not kind.fits(found):
        raise ConfigError(f"{said}: must be {kind.words}.")
    return typing.cast(Callable[..., Any], found)


OURS = "gan_lab."


def _below(name: str, prefix: str) -> bool:
    """Whether a dotted name is the prefix or lies below it, whole names compared."""
    root = prefix.rstrip(".")
    return bool(root) and (name == root or name.startswith(f"{root}."))


def _why_not(target: str, kind: Kind) -> str:
    if _below(target, OURS):
        return f"must be {kind.words}."
    top = target.partition(".")[0]
    return (
        f"only classes below {', '.join(kind.rooms)} may be named here; "
        f"if you trust the code of {top}, allow it with allow_targets=[{top}.]."
    )


def constructor_options(factory: Callable[..., Any]) -> dict[str, Any]:
    """Names and annotations of a constructor's options; `**parts` stands for those of its base."""
    return {name: hint for name, (_, hint) in _parameters(factory).items()}


def _parameters(factory: Callable[..., Any]) -> dict[str, tuple[inspect.Parameter, Any]]:
    """A constructor's options by name, each with its annotation."""
    found: dict[str, tuple[inspect.Parameter, Any]] = {}
    for function in _constructors(factory):
        hints, parameters = _hints(function), inspect.signature(function).parameters.values()
        for one in parameters:
            options = one.kind in (one.KEYWORD_ONLY, one.POSITIONAL_OR_KEYWORD)
            if options and one.name != "self":
                found.setdefault(one.name, (one, hints.get(one.name, Any)))
        if not any(one.kind is one.VAR_KEYWORD for one in parameters):
            break
    return found


def _constructors(factory: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """The constructor of a class and of those that it derives from, or a function itself."""
    if not isinstance(factory, type):
        yield factory
        return
    own = [class_ for class_ in factory.__mro__ if "__init__" in vars(class_)]
    # A class without a constructor in Python, or made by a metaclass, has a signature alone.
    yield from [vars(class_)["__init__"] for class_ in own if class_ is not object] or [factory]


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError):
        return {}


def build_part(
    path: str,
    node: Mapping[str, Any],
    *,
    kind: Kind,
    context: Mapping[str, Any],
    leftovers: Leftovers,
    allowed: Collection[str] = (),
) -> Any:
    """Make the part that a node describes.

    Args:
        path: where the node lies, for messages.
        node: `_target_` and options.
        kind: what it must be.
        context: values for constructors that ask for them by name (resolution ...); null in the node stands for them.
        leftovers: takes keys that the constructor does not know.
        allowed: prefixes of the user's own classes.

    Raises:
        ConfigError: if an option has the wrong type or range, or is missing; it names the option with its path.
    """
    factory = load_target(path, node, kind, allowed)
    known = constructor_options(factory)
    ours = {name: context[name] for name in known if name in context and node.get(name) is None}
    given = _known_options(path, node, known, context=context, leftovers=leftovers)
    arguments = {**given, **ours}
    leftovers.refuse_taken_away(path, set(known) - set(arguments))
    for name, (parameter, _) in _parameters(factory).items():
        if parameter.default is parameter.empty and name in known and name not in arguments:
            raise ConfigError(
                FACTS_OF_DATA.get(name, "{}.{}: this option must be given.").format(path, name)
            )
    refuse_too_large(path, typing.cast(type, factory), arguments)
    with _told_with_path(path, set(known) - set(context)):
        try:
            return factory(**arguments)
        except (TypeError, ValueError) as error:
            said = f"{path}: {node['_target_']} refuses its options ({first_line(error)})."
            raise ConfigError(said) from error


def _known_options(
    path: str,
    node: Mapping[str, Any],
    known: Mapping[str, Any],
    *,
    context: Mapping[str, Any],
    leftovers: Leftovers,
) -> dict[str, Any]:
    """The node's options that the constructor has, of the right types; those not in the context can be chosen."""
    found = {}
    others = {name for name in known if name not in context}
    for key, value in node.items():
        if key == "_target_":
            continue
        if key in known:
            check_type(f"{path}.{key}", value, known[key])
            found[key] = value
        else:
            name = node["_target_"].rpartition(".")[2]
            leftovers.drop(f"{path}.{key}", f"{name} has no such option", others)
    return found


@contextmanager
def _told_with_path(path: str, options: Collection[str]) -> Iterator[None]:
    """Put the part's place before the option that its error names: a part does not know where it lies.

    What the context gives is no such option: a game's network lies beside the game.
    """
    try:
        yield
    except GanLabError as error:
        option = re.match(r"(\w+)[=:]", str(error))
        if option is None or option[1] not in options:
            raise
        raise type(error)(f"{path}.{error}") from error
