"""Options of the commands that take a finished run: sample and evaluate."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gan_lab.common.errors import ConfigError, nearest
from gan_lab.config.line import override_keys
from gan_lab.config.schema import Field, check_fields


def plain_options(
    config: DictConfig, fields: Mapping[str, Field], groups: Collection[str] = ()
) -> dict[str, Any]:
    """The command's options as plain values.

    Args:
        config: as composed.
        fields: the options by dotted path.
        groups: roots that are parts and check themselves.

    Raises:
        ConfigError: at an option that is unknown, missing or wrong.
    """
    options = cast(dict[str, Any], OmegaConf.to_container(config, resolve=True))
    for path in _leaves({k: v for k, v in options.items() if k not in groups}):
        if path not in fields:
            near = nearest(path, [*fields, *groups])
            raise ConfigError(f"{path}: no such option{near or '; see --help.'}")
    if options["run"] is None:
        raise ConfigError(
            "run=: no run is given; set run=<folder> to the run folder that training printed."
        )
    check_fields(options, fields)
    return options


def user_keys() -> list[str]:
    """Dotted paths that the user set on this command line."""
    return [key for one in HydraConfig.get().overrides.task for key in override_keys(one)]


def _leaves(node: Mapping[str, Any], prefix: str = "") -> list[str]:
    found: list[str] = []
    for key, value in node.items():
        path = f"{prefix}{key}"
        found += _leaves(value, f"{path}.") if isinstance(value, Mapping) else [path]
    return found
