"""Runs a Hydra command so that every error of the user is one sentence and an exit code."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from gan_lab.errors import GanLabError, nearest
from gan_lab.interrupts import Interrupted

_HERE = Path(__file__).resolve().parent.parent
# conf/ lies beside the package in a checkout and inside it in a wheel.
CONF = str(_HERE / "conf" if (_HERE / "conf").is_dir() else _HERE.parent / "conf")

# Failures of a multirun's jobs in this process, told at the end by the exit code.
failed_jobs: list[str] = []


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
        0; 1 for a failed run, 2 for a wrong command line, 130 and 143 for SIGINT and SIGTERM.
    """
    failed_jobs.clear()
    # Hydra then hands its errors to us instead of printing its own advice (such as `+key`).
    os.environ["HYDRA_FULL_ERROR"] = "1"
    before = sys.argv
    try:
        sys.argv = [name, *prepare(list(arguments))]
        job()
    except GanLabError as error:
        return _fail(str(error), error.exit_code)
    except Interrupted as stop:
        return _fail(f"Stopped by {stop.name}.", stop.exit_code)
    except KeyboardInterrupt:
        return _fail("Stopped by SIGINT.", 130)
    except (HydraException, OmegaConfBaseException) as error:
        return _fail(sentence(error), 2)
    finally:
        sys.argv = before
    if failed_jobs:
        return _fail(f"{len(failed_jobs)} of the jobs failed: {', '.join(failed_jobs)}.", 1)
    return 0


def _fail(text: str, code: int) -> int:
    sys.stderr.write(text + "\n")
    return code


def sentence(error: BaseException) -> str:
    """One sentence for an error of Hydra or OmegaConf: what is wrong and what to write instead."""
    text = str(error)
    cause = error.__cause__
    if found := re.search(r"Could not override '([^']+)'", text):
        key = found[1]
        near = nearest(key, option_names())
        return f"{key}: no such option{near or '; --help lists the groups, --cfg job all options.'}"
    if found := re.search(r"Could not find '([^']+)/([^'/]+)'", text):
        group, choice = found[1], found[2]
        choices = choices_of(group)
        listed = f"; choose one of {', '.join(choices)}" if choices else "; there is no such group"
        return f"{group}={choice}: no such {group}{nearest(choice, choices) or listed + '.'}"
    if found := re.search(r"Could not override '?([^'\s]+)'?\.?\s*No match in the defaults list", text):
        near = nearest(found[1], [*groups(), *option_names()])
        return f"{found[1]}: no such option or group{near or '.'}"
    if found := re.search(r"Ambiguous value for argument '([^']+)'", text):
        return (
            f"{found[1]}: several values are a sweep; add -m to run one job for each, "
            "or write a list in brackets, such as penalty=[r1,r2]."
        )
    lines = [line.strip() for line in (text + "\n" + str(cause or "")).splitlines()]
    kept = [line for line in lines if line and not line.startswith(("full_key", "object_type", "See", "Set the", "^"))]
    return f"The command line cannot be understood: {' '.join(dict.fromkeys(kept))}".rstrip(".") + "."


def groups() -> list[str]:
    """Names of the config groups."""
    return sorted(p.name for p in Path(CONF).iterdir() if p.is_dir())


def choices_of(group: str) -> list[str]:
    """Names of a group's choices."""
    return sorted(p.stem for p in (Path(CONF) / group).glob("*.yaml"))


def option_names() -> list[str]:
    """Dotted names of options that exist in some file of conf/, for did-you-mean."""
    import yaml

    names: set[str] = set(groups())

    def walk(prefix: str, node: Any) -> None:
        for key, value in node.items() if isinstance(node, dict) else ():
            if key not in {"defaults", "_target_", "hydra"}:
                names.add(f"{prefix}{key}")
                walk(f"{prefix}{key}.", value)

    for file in Path(CONF).rglob("*.yaml"):
        content = yaml.safe_load(file.read_text()) or {}
        group = file.parent.name if file.parent != Path(CONF) else ""
        if group == "penalty" or group == "logger":
            walk(f"{group}.{file.stem}.", content)
        elif group == "optimizer":
            for player in ("generator", "discriminator"):
                walk(f"optimizer.{player}.", content)
        elif group in {"model", "experiment", "debug", ""}:
            walk("", content)
        else:
            walk(f"{group}.", content)
    return sorted(names)
