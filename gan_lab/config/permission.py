"""What only the person at the keyboard may allow: classes of other packages, and variables of the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from typing import Any

from omegaconf import OmegaConf
from omegaconf.resolvers import oc

from gan_lab.common.errors import ConfigError

VARIABLE = "GAN_LAB_ALLOW_TARGETS"

_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|AUTH|COOKIE", re.IGNORECASE)
_NOT_GIVEN = object()


def allowed_targets(given: Collection[str] | None) -> list[str]:
    """Prefixes of classes that may be named: those given now, and those of GAN_LAB_ALLOW_TARGETS, at commas.

    Args:
        given: of the command line or a Python argument; never of a file of a run.

    Raises:
        ConfigError: at an empty prefix, which would allow everything.
    """
    found = list(given or [])
    if any(not prefix.strip(". ") for prefix in found):
        raise ConfigError("allow_targets: an empty name would allow everything; name your package.")
    found += [one.strip() for one in os.environ.get(VARIABLE, "").split(",") if one.strip(". ")]
    return found


def guard_environment() -> None:
    """Let `${oc.env:NAME}` read no secret: what it reads is written to config.yaml and to trackers."""
    OmegaConf.register_new_resolver("oc.env", _read_variable, replace=True)


def _read_variable(key: str, default: Any = _NOT_GIVEN) -> Any:
    if _SECRET.search(key):
        raise ConfigError(
            f"${{oc.env:{key}}}: looks like a secret, which would be written into the run folder; "
            "leave it in the environment, where W&B and others read it themselves."
        )
    return oc.env(key) if default is _NOT_GIVEN else oc.env(key, default)
