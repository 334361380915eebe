"""Nothing of a run folder leads out of it: a link could make a run read or overwrite what is not its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from gan_lab.common.errors import CheckpointError


def refuse_ways_out(folder: Path) -> None:
    """Look at every entry below a run folder, following no link.

    Raises:
        CheckpointError: at a link that leads out of the folder, or at what is neither file nor folder.
    """
    home = folder.resolve()
    for entry in _entries(folder):
        path = Path(entry.path)
        if entry.is_symlink():
            if not Path(os.path.realpath(path)).is_relative_to(home):
                raise CheckpointError(
                    f"{path}: this link leads out of the run folder; put the files themselves there, or remove it."
                )
        elif not (entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False)):
            raise CheckpointError(f"{path}: is neither a file nor a folder; remove it.")


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except OSError:  # missing, or not to be read: said where it is used
        return
    for entry in found:
        yield entry
        # W&B's own runs hold links to its logs elsewhere; gan_lab opens nothing in them.
        if entry.is_dir(follow_symlinks=False) and folder.name != "wandb":
            yield from _entries(Path(entry.path))
