"""What a tracker tells of a run beside its curves: what was chosen, by name, and the best and the last metric."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from gan_lab.engine.clock import KIMG

METRIC = "metric/"
COSTS = ("metric/seconds", "metric/time_share")  # of an evaluation, no results
SEVERAL = (
    "penalty",
    "auxiliary",
    "augment",
    "degrade",
    "metrics",
    "logger",
)  # groups of which several can be chosen; a command line's choices lack them


def named_choices(
    config: Mapping[str, Any], choices: Mapping[str, Any] | None
) -> dict[str, str | None]:
    """What was chosen in each group, by the names of the command line: `{"model": "wgan_gp", "penalty": "r1,r2"}`.

    Args:
        config: the composed configuration.
        choices: by group, as the command line has settled them; without them parts are called by their classes.
    """
    several = {name: _entries(config.get(name)) for name in SEVERAL}
    if choices:
        named = {_flat(group): choice for group, choice in choices.items()}
    else:
        targets = {name: _target(node) for name, node in config.items()}
        named = {name: at.rpartition(".")[2] for name, at in targets.items() if at}
    return {name: _text(choice) for name, choice in {**named, **several}.items()}


def standing(records: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Last and best value of each metric under its newest protocol, with the kimg of each.

    The best is one of those after training began; a value that is not finite is none.

    Returns:
        Such as `{"last/fid": 9.0, "last/fid_kimg": 40.0, "best/fid": 8.5, "best/fid_kimg": 30.0}`.
    """
    measured = [one for one in records if one.get("protocol")]
    newest = {key: one for one in measured for key in one if _is_value(key)}
    found: dict[str, float] = {}
    for key, latest in newest.items():
        name, protocol = key.removeprefix(METRIC), latest["protocol"]
        points = [
            (float(one[key]), one["images_seen"] / KIMG)
            for one in measured
            if one.get(key) is not None and one["protocol"] == protocol
        ]
        points = [point for point in points if math.isfinite(point[0])]
        trained = [point for point in points if point[1] > 0]
        best = sorted(trained, reverse=protocol.get("higher_is_better") is True)[:1]
        for what, point in (("last", points[-1:]), ("best", best)):
            for value, kimg in point:
                found |= {f"{what}/{name}": value, f"{what}/{name}_kimg": kimg}
    return found


def protocols_of(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The newest protocol of each metric, by the name of its main value."""
    found = {}
    for one in records:
        main = next((key for key in one if _is_value(key)), None)
        if one.get("protocol") and main is not None:
            found[main.removeprefix(METRIC)] = one["protocol"]
    return found


def _is_value(key: str) -> bool:
    return key.startswith(METRIC) and key not in COSTS


def _target(node: Any) -> str:
    return str(node.get("_target_") or "") if isinstance(node, Mapping) else ""


def _entries(node: Any) -> list[str]:
    """Names of the parts in a section."""
    return [name for name, part in (node or {}).items() if _target(part)]


def _flat(group: str) -> str:
    """`optimizer@optimizer.generator` as one key; services read a point as a level of its own."""
    return group.partition("@")[2].replace(".", "_") or group


def _text(choice: Any) -> str | None:
    """Several choices in one text, which can be compared; None where nothing is chosen."""
    if choice is None or isinstance(choice, str):
        return choice
    return ",".join(map(str, choice)) or None
