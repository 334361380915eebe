"""Going on with a run: which options a resumed run takes from its folder, and which may change."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gan_lab.common.errors import ConfigError
from gan_lab.common.paths import user_path
from gan_lab.config.line import CommandLine, override_key, override_keys, override_value
from gan_lab.config.paths import quote
from gan_lab.config.schema import FIELDS, MISSING, lookup
from gan_lab.config.stored import (
    CONFIG_DIR,
    refuse_outside,
    refuse_outside_overrides,
    replayable,
    stored_command,
    stored_config,
)
from gan_lab.storage.files import write_whole
from gan_lab.storage.origin import made_here
from gan_lab.storage.run_folder import RunFolder

# What a resumed run may change: the stop, where results go and how often, how it is measured, and on what it runs.
CHANGEABLE = (
    "max_kimg", "max_rounds", "max_time", "resume", "logger", "metrics", "strategy", "engine", "memory_format",
    "compile", "tf32", "allow_targets", "data.device", "data.root", "data.changed", "checkpoint", "samples",
    "log_every_rounds", "callbacks", "trainer",
)  # fmt: skip
# Written by the run itself, when it began.
RECORDED = ("init_origin",)

# Options that name files of the user, kept as absolute paths.
DATA_PATHS = ("data.root", "metrics.weights", "init")


@dataclass(frozen=True)
class Command:
    """How a run was asked for: what the user set, for checks and for resuming.

    `at_once` is how many jobs of its sweep run at the same time.
    """

    overrides: Sequence[str] = ()
    flags: Sequence[str] = ()
    choices: Mapping[str, Any] | None = None
    group: str | None = None
    name: str | None = None
    at_once: int = 1

    @property
    def keys(self) -> list[str]:
        """Dotted paths that the user set."""
        return [key for override in self.overrides for key in override_keys(override)]


def write_command(
    folder: RunFolder, command: Command, config: Mapping[str, Any] | None = None
) -> None:
    """Write how a run was asked for to overrides.yaml; paths of the data as `config` has them."""
    import yaml

    said = {
        "overrides": [
            _with_path(o, config or {})
            for o in command.overrides
            if not override_key(o).startswith("hydra")
        ],
        "flags": list(command.flags),
        "choices": dict(command.choices or {}),
    }
    write_whole(folder.overrides, yaml.safe_dump(said, sort_keys=False))


def command_of_resumed_run(line: CommandLine) -> CommandLine:
    """Turn `resume=<folder or file> ...` into the full command of that run, in its folder.

    Other command lines, `resume=auto` among them, are returned unchanged. What the run's files say is taken with
    distrust: see gan_lab.config.stored.

    Raises:
        CheckpointError: if no run lies there.
        ConfigError: together with --multirun, or where a stored option may not be obeyed.
    """
    wishes = [override_value(o) for o in line.overrides if override_key(o) == "resume"]
    if not wishes or wishes[-1] in ("auto", "null", "", None):
        return line
    if line.sweep:
        raise ConfigError("resume=<folder> goes on with one run; leave out -m, or use resume=auto.")
    folder = RunFolder.existing(wishes[-1])
    kept = replayable(folder, line.keys)
    flags = {**stored_flags(folder), **line.flags}
    if not made_here(folder):
        refuse_outside_overrides(folder, kept)
        refuse_outside(folder, stored_config(folder), line.keys)
        refuse_outside(folder, {CONFIG_DIR: flags.get("config_dir")}, line.flag_names)
    where = f"hydra.run.dir={quote(str(folder.path))}"
    return CommandLine((*kept, *line.overrides, where), flags)


def stored_flags(folder: RunFolder) -> dict[str, Any]:
    """The folder of further configurations that a run was started with; no other flag is taken from a file."""
    flags = stored_command(folder)["flags"]
    found = dict(zip(flags[::2], flags[1::2], strict=False)).get(CONFIG_DIR)
    return {} if found is None else {"config_dir": str(user_path(found, CONFIG_DIR))}


def with_absolute_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy whose paths to data hold from wherever the run is resumed."""
    found: dict[str, Any] = dict(config)
    for path in DATA_PATHS:
        value = lookup(config, path)
        if isinstance(value, str):
            found = with_value(found, path, str(user_path(value, path).absolute()))
    return found


def _with_path(override: str, config: Mapping[str, Any]) -> str:
    """The override, with the configuration's value where it is a path to data."""
    key = override_key(override)
    value = lookup(config, key) if key in DATA_PATHS else None
    return f"{override.partition('=')[0]}={quote(value)}" if isinstance(value, str) else override


def check_choices(stored: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Refuse another model on resuming: its file sets options anywhere, so no single path tells of it.

    Args:
        stored: the run's choices by group; none of a run that was made from Python.
        new: the choices now.

    Raises:
        ConfigError: with both choices.
    """
    for group in ("model", "experiment", "debug"):
        before, now = stored.get(group), new.get(group)
        if stored and new and before != now:
            raise ConfigError(
                f"{group}={now}: the run that is resumed has {group}={before}; start a new run for another."
            )


def merge(
    stored: Mapping[str, Any],
    new: Mapping[str, Any],
    user_keys: Collection[str],
    *,
    everything: bool,
) -> dict[str, Any]:
    """The stored configuration with what a resumed run may change taken from the new one.

    Args:
        stored: of the run.
        new: composed now.
        user_keys: dotted paths that the user set now.
        everything: compare all options (resume=auto); else only those that the user set now.

    Raises:
        ConfigError: at the first other option that differs, with both values.
    """
    run = with_newer_options(stored, new)
    for path, before, now in differences(run, with_absolute_paths(new)):
        if any(path == root or path.startswith(f"{root}.") for root in (*CHANGEABLE, *RECORDED)):
            continue
        # An option that its part did not have when the run began, or a default that was another: the run goes on
        # as it was.
        newer = lookup(run, path) is MISSING or path == "precision"
        if newer and path not in user_keys:
            continue
        if everything or any(_touches(key, path) for key in user_keys):
            raise ConfigError(
                f"{path}={now}: the run that is resumed has {path}={before}; "
                "only the stop, logger, metrics, samples, checkpoint, log_every_rounds, data.root and options of the "
                "machine may change. Start a new run for anything else; init= takes this one's weights."
            )
    for path in CHANGEABLE:
        if (value := lookup(new, path)) is not MISSING:
            run = with_value(run, path, value)
    return run


def with_value(config: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with the value at a dotted path of at most two keys.

    Raises:
        ConfigError: where the first key leads to no section.
    """
    section, _, key = path.rpartition(".")
    if not section:
        return {**config, key: value}
    options = config.get(section) or {}
    if not isinstance(options, Mapping):
        raise ConfigError(f"{section}={options}: must be a section of options, such as {key}.")
    return {**config, section: {**options, key: value}}


def with_newer_options(stored: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The stored configuration with run-wide options that did not exist when the run began."""
    complete: dict[str, Any] = dict(stored)
    for path in FIELDS:
        if lookup(stored, path) is MISSING and (value := lookup(new, path)) is not MISSING:
            complete = with_value(complete, path, value)
    return complete


def differences(
    a: Mapping[str, Any], b: Mapping[str, Any], prefix: str = ""
) -> list[tuple[str, Any, Any]]:
    """Paths at which two configurations differ, with both values; a missing one is shown as null."""
    found: list[tuple[str, Any, Any]] = []
    for key in [*a, *(k for k in b if k not in a)]:
        one, other = a.get(key), b.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += differences(one, other, f"{prefix}{key}.")
        elif one != other:
            found.append((f"{prefix}{key}", one, other))
    return found


def _touches(key: str, path: str) -> bool:
    key = key.partition("@")[2] or key
    return path == key or path.startswith(f"{key}.") or key.startswith(f"{path}.")
