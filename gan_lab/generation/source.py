"""The data that a run was trained on, for commands that look at its reals again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gan_lab.assembly.build import build_source
from gan_lab.common.errors import ConfigError
from gan_lab.config.stored import refuse_outside
from gan_lab.generation.trained import Pretrained
from gan_lab.storage.origin import made_here


def source_of(model: Pretrained, root: str | None = None) -> Any:
    """The (unread) data source of a run.

    Args:
        model: of the run.
        root: where its data lies now; None: where it lay.

    Raises:
        ConfigError: where the data has no root, or a run from elsewhere names paths of its own.
    """
    if not made_here(model.folder):
        given = () if root is None else ("data.root",)
        refuse_outside(model.folder, {"data": model.config["data"]}, given)
    return build_source({**model.config, "data": _options(model.config["data"], root)})


def _options(trained: Mapping[str, Any], root: str | None) -> dict[str, Any]:
    """The run's data options with the root of now."""
    if root is None:
        return dict(trained)
    if "root" not in trained:
        name = str(trained["_target_"]).rpartition(".")[2]
        raise ConfigError(f"data.root={root}: the run's data set {name} has no such option.")
    return {**trained, "root": root}
