"""A run that goes on from a checkpoint: its configuration, its state, and what came after the checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gan_lab.callbacks.samples import samples_name
from gan_lab.common.errors import ConfigError
from gan_lab.config.resume import check_choices, merge
from gan_lab.config.stored import stored_command, stored_config
from gan_lab.process.ranks import place_of
from gan_lab.run.asked import Asked
from gan_lab.run.resuming import resumed
from gan_lab.storage.checkpoint import load_checkpoint
from gan_lab.storage.run_folder import RunFolder

log = logging.getLogger(__name__)


def go_on(asked: Asked) -> tuple[Asked, dict[str, Any] | None]:
    """The checkpoint to go on from, if any; its run's configuration replaces most of this one."""
    if asked.following is not None:  # the first rank has settled both
        path = asked.following.checkpoint
        return asked, None if path is None else load_checkpoint(Path(path))
    wish = asked.config.get("resume")
    found = resumed(wish, asked.folder, alone=asked.first)
    if found is None:
        return asked, None
    check_choices(stored_command(asked.folder)["choices"], asked.command.choices or {})
    config = merge(
        stored_config(asked.folder),
        asked.config,
        asked.command.keys,
        # From Python it is not known which options were set on purpose.
        everything=wish == "auto" or not asked.command.overrides,
    )
    return replace(asked, config=config, place=place_of(config), found=found), found.state


def restore(game: Any, state: Mapping[str, Any], *, wish: str) -> None:
    """Give the game what the checkpoint holds of it.

    Raises:
        ConfigError: if they do not fit; `wish` is the option `resume`.
    """
    try:
        game.restore(state)
    except (RuntimeError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{wish}: the checkpoint does not fit this model ({str(error).splitlines()[0]})."
        ) from error
    log.info(f"Resumed at iteration {game.clock.iteration} ({game.clock.kimg:.1f} kimg).")


def drop_what_came_later(folder: RunFolder, state: Mapping[str, Any]) -> None:
    """Drop records and samples past the checkpoint: the resumed run makes them again."""
    clock = state["clock"]
    dropped = folder.drop_records_after(
        clock["iteration"], state.get("records"), state.get("waiting_records", ())
    )
    if dropped:
        log.info(f"{dropped} records past the checkpoint were dropped.")
    for shown in folder.samples.glob("kimg-*"):
        if shown.stem > samples_name(clock["images_seen"]):
            shown.unlink()
