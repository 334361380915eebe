"""Runs a Hydra command so that every error of the user is one sentence and an exit code."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf.errors import OmegaConfBaseException

from gan_lab.common.errors import ConfigError, GanLabError
from gan_lab.config.choices import check_choices_of
from gan_lab.config.help import answer
from gan_lab.config.line import CommandLine
from gan_lab.config.permission import guard_environment
from gan_lab.config.sentences import no_choice, refused_by_hydra, sentence
from gan_lab.config.sweeps import begun
from gan_lab.process.console import speaking
from gan_lab.process.interrupts import Interrupted, Interrupts
from gan_lab.process.memory import enough_memory
from gan_lab.process.progress import phase
from gan_lab.process.ranks import may_be_another
from gan_lab.process.threads import starting

log = logging.getLogger(__name__)

Returned = TypeVar("Returned")

# Failures of a multirun's jobs in this process, told at the end by the exit code.
failed_jobs: list[str] = []

# What is shown until the first job begins.
_before_job = ExitStack()

# Flags that are answered without a job.
ANSWERS = {"help", "hydra_help", "version", "cfg", "info", "shell_completion"}

# What ended the single job of this process, handed around Hydra.
_ended: list[Exception] = []


def around_hydra(function: Callable[[Any], Returned]) -> Callable[[Any], Returned | None]:
    """Decorate a command's function, below `hydra.main`: its exception goes to `run_command` directly.

    Hydra would write a line of its own ("Error executing job with overrides: ...") before raising it on.
    """

    @functools.wraps(function)
    def job(config: Any) -> Returned | None:
        hydra = HydraConfig.get()
        _before_job.close()
        folder, several = Path(hydra.runtime.output_dir), hydra.mode == RunMode.MULTIRUN
        try:
            together = str(folder.parent.absolute()) if several else None
            with starting(folder, together), enough_memory("num or batch_size"):
                return function(config)
        except Exception as error:
            if several:
                _ended.append(error)
                raise
            _ended.append(error)
            return None

    return job


def run_command(
    name: str,
    job: Callable[[], Any],
    arguments: Sequence[str],
    *,
    prepare: Callable[[CommandLine], CommandLine] = lambda line: line,
    conclude: Callable[[Path], Sequence[str]] = lambda _: (),
) -> int:
    """Run a `hydra.main` function.

    Args:
        name: of the command, for messages and Hydra's help.
        job: the decorated function.
        arguments: the command line without the program's name.
        prepare: rewrites the command line first.
        conclude: called with the folder of a multirun after its last job; returns the jobs that have failed.

    Returns:
        0; 1 for a failed run, 2 for a wrong command line, 128 and a signal's number after one that ends runs.
    """
    with speaking():
        try:
            with Interrupts():
                return _run(name, job, arguments, prepare=prepare, conclude=conclude)
        except Interrupted as stop:
            return _fail(str(stop), stop.exit_code)


def _run(
    name: str,
    job: Callable[[], Any],
    arguments: Sequence[str],
    *,
    prepare: Callable[[CommandLine], CommandLine],
    conclude: Callable[[Path], Sequence[str]],
) -> int:
    _forget_earlier()
    # Hydra then hands its errors to us instead of printing its own advice (such as `+key`).
    os.environ["HYDRA_FULL_ERROR"] = "1"
    before, line, root = sys.argv, CommandLine(), name.rpartition(".")[2]
    try:
        guard_environment()
        line = CommandLine.parse(arguments, root)
        if (said := answer(line, root)) is not None:
            sys.stdout.write(said)
            return 0
        if not (line.sweep or ANSWERS & set(line.flags) or may_be_another()):
            # Its plain line would be one more than a log needs.
            _before_job.enter_context(phase("Reading the configuration", at_once=True, often=True))
        line = prepare(line)
        check_choices_of(line, root)
        sys.argv = [name, *line.arguments()]
        with _ending_sweeps(conclude):
            _call(job, line)
    except GanLabError as error:
        return _fail(str(error), error.exit_code)
    except SystemExit as stop:  # how argparse ends, and a multirun that must not go on
        return stop.code if isinstance(stop.code, int) else 1
    except (HydraException, OmegaConfBaseException) as error:
        return _fail(sentence(error, line), 2)
    except OSError as error:
        return _fail(f"{error.filename or type(error).__name__}: {error.strerror or error}", 1)
    finally:
        sys.argv = before
        _before_job.close()
    if failed_jobs:
        return _fail(f"{len(failed_jobs)} of the jobs failed: {', '.join(failed_jobs)}.", 1)
    return 0


def _forget_earlier() -> None:
    """One process may run several commands, such as a test's."""
    for noted in (failed_jobs, begun, _ended):
        noted.clear()


@contextmanager
def _ending_sweeps(conclude: Callable[[Path], Sequence[str]]) -> Iterator[None]:
    """After a multirun: nothing is left of one that has not begun, and the results of the others are shown."""
    try:
        yield
    finally:
        for sweep in begun:
            sweep.leave_nothing()
            failed = conclude(sweep.folder) if sweep.folder.is_dir() else ()
            if sweep.apart:  # what failed in other processes is known by its files alone
                failed_jobs.extend(failed)


def _call(job: Callable[[], Any], line: CommandLine) -> None:
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
    except Exception as error:
        # The single job's own errors come by _ended, a multirun's are told by the jobs: this is Hydra's.
        if error in _ended or isinstance(error, GanLabError | OmegaConfBaseException):
            raise
        if str(error).startswith("Config group override must be"):
            raise ConfigError(no_choice(line)) from error
        raise ConfigError(refused_by_hydra(error, line)) from error
    if _ended:
        raise _ended[0]


def _fail(text: str, code: int) -> int:
    log.error(text if text.endswith((".", "?")) else f"{text}.")
    return code
