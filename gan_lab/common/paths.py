"""The one way to read a path that a person gave."""

from __future__ import annotations

import os
from pathlib import Path

from gan_lab.common.errors import ConfigError


def user_path(text: str | os.PathLike[str], option: str = "path") -> Path:
    """The path that a person wrote: `~` and `~name` are home folders, the rest stays as it is.

    Args:
        text: as given on a command line, in a configuration or from Python.
        option: its name, for messages.

    Raises:
        ConfigError: if it is empty, names nobody's home folder, or holds what no file system can show.
    """
    given = os.fspath(text)
    if not given.strip():
        raise ConfigError(f"{option}=: the path is empty; give a folder or file, or leave it out.")
    shown = given.encode("utf-8", "backslashreplace").decode()
    if shown != given or "\0" in given:
        raise ConfigError(f"{option}={shown!r}: the name is not UTF-8 text; rename it first.")
    try:
        path = Path(given).expanduser()
    except RuntimeError as error:
        name = given.partition("/")[0]
        raise ConfigError(
            f"{option}={given}: there is no home folder {name}; for a folder of that name write ./{given}."
        ) from error
    # ./~ is a folder of that name, and stays one where this path is read again.
    return path.absolute() if path.parts[:1] and path.parts[0].startswith("~") else path


def refuse_taken(path: Path, *, overwrite: bool, option: str = "out") -> None:
    """Raise ConfigError where a file is there that was not allowed to be replaced."""
    if path.is_dir():
        raise ConfigError(f"{option}={path}: this is a folder; name a file in it.")
    if path.exists() and not overwrite:
        raise ConfigError(
            f"{option}={path}: it is there already; choose another name, or set overwrite=true."
        )
