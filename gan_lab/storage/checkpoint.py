"""Checkpoints: tensors and plain values, written beside the target and renamed, read without unpickling code."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from gan_lab.common.errors import CheckpointError, first_line
from gan_lab.storage.files import whole_file

FORMAT = 1
READ_ERRORS = (OSError, EOFError, RuntimeError, pickle.UnpicklingError, KeyError, ValueError)


def save_checkpoint(state: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint so that a kill or a full disk at any moment leaves the old one whole.

    The new file is written in the same folder (a rename between file systems is a copy), synced, and read back before
    it takes the target's name.

    Raises:
        CheckpointError: if it cannot be written; the file that was there before stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with whole_file(
            path, check=partial(torch.load, map_location="cpu", weights_only=True)
        ) as file:
            torch.save({"format": FORMAT, **state}, file)
    # torch reports a full disk as a RuntimeError without errno.
    except READ_ERRORS as error:
        raise CheckpointError(
            f"{path}: the checkpoint could not be written ({first_line(error)}); "
            "the one before it is untouched. Free some disk space, then resume."
        ) from error


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Raises:
        CheckpointError: if it is missing, damaged, of another format or holds anything but data.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no checkpoint here.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except READ_ERRORS as error:
        raise CheckpointError(
            f"{path}: the checkpoint is damaged or not one of gan_lab's ({first_line(error)}); "
            "use another file of the folder, such as best.ckpt."
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(f"{path}: not a checkpoint of this version of gan_lab.")
    return state
