"""What older run folders say in other words than today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# One metric lay where now several lie below their names; its class, and the options that were its own.
NAMES = {"gan_lab.metrics.fid.Fid": "fid", "gan_lab.metrics.small.SmallFrechet": "small"}
OWN = {"fid": ("feature", "resize", "features_precision"), "small": ()}


def with_named_metrics(config: Mapping[str, Any]) -> dict[str, Any]:
    """A stored configuration whose metric has a name of its own; a newer one as it is."""
    node = config.get("metrics")
    if not isinstance(node, Mapping) or "_target_" not in node:
        return dict(config)
    rest = {key: value for key, value in node.items() if key != "_target_"}
    target = node["_target_"]
    name = NAMES.get(target, "own") if isinstance(target, str) else None
    if name is None:  # metrics=none
        return {**config, "metrics": rest}
    known = OWN.get(name, tuple(rest))
    own = {key: rest.pop(key) for key in known if key in rest}
    return {**config, "metrics": {**rest, name: {"_target_": target, **own}}}


def renamed(override: str) -> str:
    """An override of a stored command line as it is written now: metrics.feature is metrics.fid.feature."""
    sign = override[: len(override) - len(override.lstrip("+~"))]
    for name, options in OWN.items():
        for option in options:
            if override[len(sign) :].partition("=")[0] == f"metrics.{option}":
                return override.replace(f"metrics.{option}", f"metrics.{name}.{option}", 1)
    return override
