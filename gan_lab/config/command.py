"""Runs a Hydra command so that every error of the user is one sentence and an exit code."""

from __future__ import annotations

import functools
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf.errors import OmegaConfBaseException

from gan_lab.common.errors import ConfigError, GanLabError, nearest
from gan_lab.config.lightning import refusal
from gan_lab.config.paths import quote_paths
from gan_lab.process.console import speaking
from gan_lab.process.interrupts import Interrupted, Interrupts
from gan_lab.process.threads import starting

log = logging.getLogger(__name__)

Returned = TypeVar("Returned")

_HERE = Path(__file__).resolve().parent.parent
# conf/ lies beside the package in a checkout and inside it in a wheel.
CONF = str(_HERE / "conf" if (_HERE / "conf").is_dir() else _HERE.parent / "conf")

FLAGS = (
    "-h", "--help", "--hydra-help", "--version", "-c", "--cfg", "--resolve", "-p", "--package", "-r", "--run",
    "-m", "--multirun", "-sc", "--shell-completion", "-cp", "--config-path", "-cn", "--config-name",
    "-cd", "--config-dir", "--experimental-rerun", "-i", "--info",
)  # fmt: skip

FLAGS_WITH_VALUE = (
    "-c", "--cfg", "-p", "--package", "-cp", "--config-path", "-cn", "--config-name", "-cd", "--config-dir",
    "--experimental-rerun",
)  # fmt: skip

# Failures of a multirun's jobs in this process, told at the end by the exit code.
failed_jobs: list[str] = []

# What ended the single job of this process, handed around Hydra.
_ended: list[Exception] = []


def around_hydra(function: Callable[[Any], Returned]) -> Callable[[Any], Returned | None]:
    """Decorate a command's function, below `hydra.main`: its exception goes to `run_command` directly.

    Hydra would write a line of its own ("Error executing job with overrides: ...") before raising it on.
    """

    @functools.wraps(function)
    def job(config: Any) -> Returned | None:
        hydra = HydraConfig.get()
        folder, several = Path(hydra.runtime.output_dir), hydra.mode == RunMode.MULTIRUN
        try:
            with starting(folder, str(folder.parent.absolute()) if several else None):
                return function(config)
        except Exception as error:
            if several:
                raise
            _ended.append(error)
            return None

    return job


def run_command(
    name: str,
    job: Callable[[], Any],
    arguments: Sequence[str],
    *,
    prepare: Callable[[list[str]], list[str]] = list,
) -> int:
    """Run a `hydra.main` function.

    Args:
        name: of the command, for messages and Hydra's help.
        job: the decorated function.
        arguments: the command line without the program's name.
        prepare: rewrites the command line first.

    Returns:
        0; 1 for a failed run, 2 for a wrong command line, 128 and a signal's number after one that ends runs.
    """
    with speaking():
        try:
            with Interrupts():
                return _run(name, job, arguments, prepare=prepare)
        except Interrupted as stop:
            return _fail(str(stop), stop.exit_code)


def _run(
    name: str,
    job: Callable[[], Any],
    arguments: Sequence[str],
    *,
    prepare: Callable[[list[str]], list[str]],
) -> int:
    failed_jobs.clear()
    _ended.clear()
    # Hydra then hands its errors to us instead of printing its own advice (such as `+key`).
    os.environ["HYDRA_FULL_ERROR"] = "1"
    before = sys.argv
    try:
        check_flags(arguments)
        full = prepare(list(arguments))
        sweep = bool({"-m", "--multirun"} & set(full))
        sys.argv = [name, *_flags_last(quote_paths(full, sweep=sweep))]
        _call(job, arguments)
    except GanLabError as error:
        return _fail(str(error), error.exit_code)
    except SystemExit as stop:  # how argparse ends, and a multirun that must not go on
        return stop.code if isinstance(stop.code, int) else 1
    except (HydraException, OmegaConfBaseException) as error:
        return _fail(sentence(error), 2)
    except OSError as error:
        return _fail(f"{error.filename or type(error).__name__}: {error.strerror or error}", 1)
    finally:
        sys.argv = before
    if failed_jobs:
        return _fail(f"{len(failed_jobs)} of the jobs failed: {', '.join(failed_jobs)}.", 1)
    return 0


def check_flags(arguments: Sequence[str]) -> None:
    """Refuse flags that Hydra does not know: argparse would print its whole usage.

    Raises:
        ConfigError: naming the first.
    """
    for argument in arguments:
        flag = argument.partition("=")[0]
        if flag.startswith("-") and flag not in FLAGS:
            raise ConfigError(f"{flag}: no such flag{nearest(flag, FLAGS) or '; see --help.'}")


def _flags_last(arguments: list[str]) -> list[str]:
    """Put flags and their values behind the overrides: argparse refuses them in between."""
    overrides: list[str] = []
    flags: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if not argument.startswith("-"):
            overrides.append(argument)
            continue
        flags.append(argument)
        if argument in FLAGS_WITH_VALUE:
            flags += [value for value in [next(rest, None)] if value is not None]
    return [*overrides, *flags]


def _call(job: Callable[[], Any], arguments: Sequence[str]) -> None:
    """Call the decorated function, and tell what it cannot make of the command line."""
    try:
        job()
    except HydraException:  # some are OSErrors too
        raise
    except OSError as error:
        raise ConfigError(
            f"{error.filename}: the run folder cannot be made ({error.strerror}); "
            "set hydra.run.dir (hydra.sweep.dir with -m) to another folder."
        ) from error
    except ValueError as error:
        if not str(error).startswith("Config group override must be"):
            raise
        chosen = [
            a
            for a in arguments
            if a.partition("=")[0].rpartition("@")[0] or a.partition("=")[0] in groups()
        ]
        wrong = next((a for a in chosen if a.endswith("=null")), chosen[-1])
        choices = ", ".join(choices_of(wrong.partition("=")[0].partition("@")[0]))
        hint = f"choose one of {choices}, or leave it out" if choices else "leave it out"
        raise ConfigError(f"{wrong}: names no choice; {hint}.") from error
    if _ended:
        raise _ended[0]


def _fail(text: str, code: int) -> int:
    log.error(text if text.endswith((".", "?")) else f"{text}.")
    return code


def sentence(error: BaseException) -> str:
    """One sentence for an error of Hydra or OmegaConf: what is wrong and what to write instead."""
    text = str(error)
    if found := re.search(r"Could not override '([^']+)'", text):
        return _no_such_option(found[1])
    if found := re.search(r"Could not (?:find|load) '([^']+)/([^'/]*)'", text):
        group, choice = found[1], found[2]
        choices = choices_of(group)
        listed = f"; choose one of {', '.join(choices)}" if choices else "; there is no such group"
        return f"{group}={choice}: no such {group}{nearest(choice, choices) or listed + '.'}"
    if found := re.search(r"Could not append to config. An item is already at '([^']+)'", text):
        return f"+{found[1]}: this option exists already; leave out the +."
    if found := re.search(r"Ambiguous value for argument '([^']+)'", text):
        return (
            f"{found[1]}: several values are a sweep; add -m to run one job for each, "
            "or write a list in brackets, such as penalty=[r1,r2]."
        )
    if found := re.search(r"full_key: (\S+)", text):
        return f"{found[1]}: {text.splitlines()[0].rstrip('.')}."
    lines = [line.strip() for line in f"{text}\n{error.__cause__ or ''}".splitlines()]
    kept = []
    for line in lines:
        if line.startswith("Config search path"):
            break
        if line and not line.startswith(("full_key", "object_type", "See", "Set the", "^")):
            kept.append(line)
    return (
        f"The command line cannot be understood: {' '.join(dict.fromkeys(kept))}".rstrip(".") + "."
    )


def _no_such_option(key: str) -> str:
    """The sentence for an option that the composed configuration does not have."""
    if key.startswith("trainer."):
        return refusal(key.removeprefix("trainer."))
    owners = option_owners()
    if key == "optimizer":
        choices = ", ".join(choices_of(key))
        return (
            f"{key}: each player has its own; set optimizer@optimizer.generator= and "
            f"optimizer@optimizer.discriminator= to one of {choices}."
        )
    if owners.get(key):
        return f"{key}: not an option of the chosen parts; {', '.join(owners[key])} would have it."
    near = nearest(key, [name for name in owners if name != key])
    return f"{key}: no such option{near or '; --help lists the groups, --cfg job all options.'}"


def groups() -> list[str]:
    """Names of the config groups."""
    return sorted(p.name for p in Path(CONF).iterdir() if p.is_dir())


def choices_of(group: str) -> list[str]:
    """Names of a group's choices."""
    return sorted(p.stem for p in (Path(CONF) / group).glob("*.yaml"))


def option_owners() -> dict[str, list[str]]:
    """Dotted names of options in some file of conf/, each with the choices that bring it.

    An option of the root, a model or an experiment has an empty list: it is always there.
    """
    import yaml

    owners: dict[str, list[str]] = {group: [] for group in groups()}
    for file in sorted(Path(CONF).rglob("*.yaml")):
        content = yaml.safe_load(file.read_text()) or {}
        group = file.parent.name if file.parent != Path(CONF) else ""
        places, choices = [f"{group}."], [f"{group}={file.stem}"]
        if group in ("penalty", "logger", "callbacks"):
            places, choices = [f"{group}.{file.stem}."], [f"{group}=[{file.stem}]"]
        elif group == "optimizer":
            players = ("generator", "discriminator")
            places = [f"optimizer.{player}." for player in players]
            choices = [f"optimizer@optimizer.{player}={file.stem}" for player in players]
        elif group in ("model", "experiment", "debug", ""):
            places, choices = [""], []
        for place, choice in zip(places, choices or [""], strict=True):
            for name in _walk(place, content):
                owners.setdefault(name, []).extend([choice] if choice else [])
    return owners


def _walk(prefix: str, node: Any) -> Iterator[str]:
    for key, value in node.items() if isinstance(node, dict) else ():
        if key not in {"defaults", "_target_", "hydra"}:
            yield f"{prefix}{key}"
            yield from _walk(f"{prefix}{key}.", value)
