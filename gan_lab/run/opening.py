"""The run folder at both ends of a run: what the run is, and how it ended."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import yaml

from gan_lab.common.errors import ConfigError, GanLabError
from gan_lab.config.resume import with_absolute_paths, write_command
from gan_lab.process.console import Conversation
from gan_lab.process.interrupts import Interrupted
from gan_lab.process.machine import Machine
from gan_lab.process.threads import Threads
from gan_lab.run.asked import Asked
from gan_lab.run.resuming import settle
from gan_lab.run.words import how_to_go_on
from gan_lab.storage.environment import describe_environment, other_threads
from gan_lab.storage.files import remove_leftovers, write_whole
from gan_lab.storage.origin import made_here, seal
from gan_lab.storage.run_folder import RunFolder

log = logging.getLogger(__name__)


def open_folder(asked: Asked, conversation: Conversation) -> Asked:
    """Make the run folder and write what the run is; returns it with paths that hold anywhere.

    Raises:
        ConfigError: if the folder cannot be made.
    """
    folder = asked.folder
    make_folders(folder)
    conversation.keep_in(folder.log)
    ours = asked.found is None or made_here(folder)
    config = with_absolute_paths(asked.config)
    write_whole(folder.config, yaml.safe_dump(config, sort_keys=False))
    if asked.found is None:
        write_command(folder, asked.command, config)
    else:
        for note in asked.found.notes:
            log.info(note)
        settle(asked.found, folder, keep=config["checkpoint"]["keep"])
    if ours:
        seal(folder)
    folder.write_status(state="running")
    return replace(asked, config=config)


def make_folders(folder: RunFolder) -> None:
    """Make the run folder and those in it, without what a killed process left.

    Raises:
        ConfigError: if one cannot be made.
    """
    try:
        folder.checkpoints.mkdir(parents=True, exist_ok=True)
        folder.samples.mkdir(exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"hydra.run.dir={folder.path}: the run folder cannot be made ({error.strerror})."
        ) from error
    for place in (folder.path, folder.checkpoints, folder.samples):
        remove_leftovers(place)


def note_environment(folder: RunFolder, machine: Machine, threads: Threads) -> None:
    """Keep on what the run is trained."""
    for note in other_threads(folder.environment, threads.count):
        log.info(note)
    environment = describe_environment({**machine.plain(), **threads.plain()})
    write_whole(folder.environment, json.dumps(environment, indent=1) + "\n")


@contextmanager
def noting_a_failure(folder: RunFolder) -> Iterator[None]:
    """Leave in status.json why a run ended before its end."""
    try:
        yield
    except Interrupted as stop:
        with suppress(GanLabError):
            folder.write_status(state="interrupted", reason=stop.name)
        log.info(how_to_go_on(folder))
        raise
    except Exception as error:
        # Where the disk is full this fails too, and the cause is what people need to read.
        with suppress(GanLabError, OSError):
            folder.write_status(state="failed", reason=str(error) or type(error).__name__)
            if not isinstance(error, GanLabError):
                (folder.path / "error.txt").write_text(traceback.format_exc())
        raise
