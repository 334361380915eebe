"""Commands and options that people copy into a shell: blanks, brackets and quotes in them are quoted for it."""

from __future__ import annotations

import shlex


def command(name: str, *words: str) -> str:
    """A command of gan_lab, such as `python -m gan_lab.sample 'run=my runs/1'`.

    Args:
        name: of the module, such as sample.
        words: flags, and options as `key=value`.
    """
    return shlex.join(["python", "-m", f"gan_lab.{name}", *words])


def option(key: str, value: object) -> str:
    """One option as it stands on a command line."""
    return shlex.quote(f"{key}={value}")
