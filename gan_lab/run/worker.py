"""A rank that another has started: `python -m gan_lab.run.worker`, for process/workers.py alone."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

from gan_lab.common.errors import GanLabError, first_line
from gan_lab.config.resume import Command
from gan_lab.process.interrupts import Interrupted, Interrupts
from gan_lab.process.workers import Parent


def main() -> int:
    """Follow the first rank to its end; returns the exit code."""
    parent = Parent()
    try:
        with Interrupts():
            follow(parent)
    except Interrupted as stop:
        return stop.exit_code
    except Exception as error:
        if not isinstance(error, GanLabError):
            traceback.print_exc()
        parent.fail(str(error) if isinstance(error, GanLabError) else first_line(error))
        return 1
    return 0


def follow(parent: Parent) -> None:
    """Train as the task says."""
    task = parent.task()

    from gan_lab.process.threads import starting

    folder = Path(task["folder"])
    with starting(folder, task["group"]):
        from gan_lab.run.together import Following
        from gan_lab.run.training import run_training

        following = Following(parent, task["checkpoint"])
        run_training(task["config"], folder, Command(**task["command"]), following)


if __name__ == "__main__":
    sys.exit(main())
