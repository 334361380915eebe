"""Classes as people ask for them: `classes=7`, `classes=Sneaker`, `classes=0-3,7`, `classes=all`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from gan_lab.common.errors import ConfigError, nearest

_RANGE = re.compile(r"([0-9]{1,9})\s*-\s*([0-9]{1,9})")
SHOWN = 12  # names in a sentence


def wishes_of(
    classes: str | int | None,
    codes: Mapping[str, Any],
    questions: Mapping[str, Sequence[str]],
    others: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, list[int]]:
    """What a command line asks of samples: `classes=7`, `codes.category=all`, `ask.direction=0`.

    Args:
        classes: as for `classes_of`.
        codes: the same by the code's name.
        others: the same by the name of any question.
        questions: what the model may be asked, with the names of the values.

    Raises:
        ConfigError: one sentence, where the model does not know one of them.
    """
    found = {}
    if classes is not None:
        found["classes"] = classes_of(classes, questions.get("classes", ()))
    for name, value in codes.items():
        question = f"codes.{name}"
        if question not in questions:
            known = [one for one in questions if one.startswith("codes.")]
            has = (
                f"its codes are {', '.join(known)}"
                if known
                else "it has none, as model=infogan has"
            )
            raise ConfigError(f"{question}: this run's model has no such code; {has}.")
        found[question] = classes_of(value, questions[question], option=question)
    for name, value in others.items():
        if name not in questions:
            answered = ", ".join(questions) or "nothing"
            raise ConfigError(
                f"ask.{name}: this run's model cannot be asked for that; it may be asked for {answered}"
                f"{nearest(name, questions) or '.'}"
            )
        found[name] = classes_of(value, questions[name], option=f"ask.{name}")
    return found


def classes_of(given: str | int, names: Sequence[str], *, option: str = "classes") -> list[int]:
    """The numbers of the classes in a text; `all` is all of them.

    Args:
        given: numbers, ranges with both ends, or names, with commas between them.
        names: of the model's classes.
        option: its name, for messages.

    Raises:
        ConfigError: one sentence, where the model has no classes or one of them is unknown.
    """
    text = str(given).strip().removeprefix("[").removesuffix("]")
    if not names:
        raise ConfigError(
            f"classes={text}: this run's model makes images of no certain class; leave classes out, or train a model "
            "with labels, such as model=cgan."
        )
    if text == "all":
        return list(range(len(names)))
    found: list[int] = []
    for entry in text.split(","):
        found += _one(entry.strip(), f"{option}={text}", names)
    return found


def _one(entry: str, said: str, names: Sequence[str]) -> list[int]:
    if entry in names:  # also a digit's name, which is its number
        return [list(names).index(entry)]
    match = _RANGE.fullmatch(entry)
    numbers = [int(entry)] if entry.isdecimal() else []
    if match is not None:
        numbers = list(range(int(match[1]), min(int(match[2]), len(names)) + 1))
    if numbers and max(numbers) < len(names):
        return numbers
    shown = ", ".join(names[:SHOWN]) + (" ..." if len(names) > SHOWN else "")
    raise ConfigError(
        f"{said}: {entry or 'an empty entry'} is none of the {len(names)} that this model knows, which are {shown}"
        f"{nearest(entry, names) or '.'}"
    )
