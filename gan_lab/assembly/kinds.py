"""What may be made in which group: a class is looked at, and refused, before anything of it is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from gan_lab.engine.module import AdversarialModule

Test = Callable[[type], bool]


@dataclass(frozen=True)
class Kind:
    """One kind of part.

    Attributes:
        words: what it must be, for messages.
        rooms: prefixes of modules whose classes may be named without anybody's permission.
        fits: whether a class is of this kind; it sees the class and calls nothing of it.
    """

    words: str
    rooms: tuple[str, ...]
    fits: Test


def subclass_of(base: type) -> Test:
    """Whether a class is this one or derives from it."""
    return lambda found: issubclass(found, base)


def with_methods(*names: str) -> Test:
    """Whether a class defines all these methods or attributes."""
    return lambda found: all(hasattr(found, name) for name in names)


def _term_or_constraint(found: type) -> bool:
    return callable(getattr(found, "project", None)) or "__call__" in dir(found)


SIDES = ("discriminator", "generator", "steer", "judge", "pick")


def _term_with_a_side(found: type) -> bool:
    sides = (getattr(found, name, None) for name in SIDES)
    return issubclass(found, nn.Module) and any(callable(side) for side in sides)


_NETWORK = Kind("a network (torch.nn.Module)", ("gan_lab.networks.",), subclass_of(nn.Module))
KINDS = {
    "model": Kind(
        "an AdversarialModule of gan_lab.engine.module", ("gan_lab.games.",), subclass_of(AdversarialModule)
    ),
    "generator": _NETWORK,
    "discriminator": _NETWORK,
    "encoder": _NETWORK,
    "latent": Kind("a distribution of latents", ("gan_lab.latents.",), with_methods("from_normal")),
    "loss": Kind("a Loss", ("gan_lab.losses.",), with_methods("discriminator", "generator")),
    "penalty": Kind("a penalty or a constraint", ("gan_lab.penalties.",), _term_or_constraint),
    "auxiliary": Kind("an auxiliary term (torch.nn.Module)", ("gan_lab.auxiliary.",), _term_with_a_side),
    "augment": Kind("an augmentation (torch.nn.Module)", ("gan_lab.augment.",), subclass_of(nn.Module)),
    "degrade": Kind("a degradation (torch.nn.Module)", ("gan_lab.degrade.",), subclass_of(nn.Module)),
    "data": Kind("a data set", ("gan_lab.data.sets.",), with_methods("load")),
    "metrics": Kind("a Metric", ("gan_lab.metrics.",), with_methods("look_at", "add", "compute")),
    "logger": Kind("a Tracker", ("gan_lab.loggers.",), with_methods("record", "picture", "close")),
    "optimizer": Kind("a torch.optim.Optimizer", ("torch.optim.",), subclass_of(torch.optim.Optimizer)),
}  # fmt: skip

# A part that a game asks for by a name of its own, such as generator_a.
_ANY_PART = Kind(
    "a part of a game",
    ("gan_lab.networks.", "gan_lab.losses.", "gan_lab.penalties.", "gan_lab.latents."),
    with_methods(),
)


def kind_of(group: str) -> Kind:
    """The kind of a group of conf/, or of what a game asks for by a name of its own."""
    return KINDS.get(group, _ANY_PART)


def annotated(kind: Kind, annotation: Any) -> Kind:
    """The kind, narrowed to the class that a game's constructor is annotated with."""
    # Protocols that are not runtime-checkable cannot be asked.
    if (
        annotation is Any
        or not isinstance(annotation, type)
        or getattr(annotation, "_is_protocol", False)
    ):
        return kind
    words, name = kind.words, annotation.__name__
    named = f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
    if kind is _ANY_PART:
        words = named
    elif name not in words:
        words = f"{words}, for this model {named}"
    return Kind(words, kind.rooms, lambda found: kind.fits(found) and issubclass(found, annotation))
