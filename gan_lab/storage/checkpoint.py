"""Checkpoints: tensors and plain values under a checksum, read without unpickling code."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch

from gan_lab.common.errors import CheckpointError, first_line
from gan_lab.storage.seals import DamagedFileError, checksum_of, sealed, sealed_file

log = logging.getLogger(__name__)

FORMAT = 2
WITHOUT_CHECKSUM = 1  # the format before, which is still read
ROOM = "free some disk space, then resume"


def save_checkpoint(
    state: Mapping[str, Any], path: Path, *, ready: Callable[[Path], None] | None = None
) -> None:
    """Write a checkpoint so that a kill or a full disk at any moment leaves the old one whole.

    What lies on disk is read back, compared and parsed before it takes the target's name.

    Args:
        state: tensors and plain values.
        path: the target; its folder is made.
        ready: called with the checked file just before it takes its place.

    Raises:
        CheckpointError: if it cannot be written; the file that was there before stays.
    """

    def check(aside: Path) -> None:
        # Mapped: parses the whole file without a second copy of its tensors in memory.
        torch.load(aside, map_location="cpu", weights_only=True, mmap=True)
        if ready is not None:
            ready(aside)

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with sealed_file(path, ready=check) as file:
            torch.save({"format": FORMAT, **state}, file)
    except pickle.PickleError as error:
        reason = "it holds something that is neither a tensor nor a plain value"
        raise _unwritten(path, reason, "change what the game or a tracker keeps") from error
    except DamagedFileError as error:
        raise _unwritten(path, str(error), "check the disk, or resume on another one") from error
    # torch reports a full disk as a RuntimeError without errno.
    except (OSError, RuntimeError) as error:
        raise _unwritten(path, first_line(error), ROOM) from error


def _unwritten(path: Path, reason: str, advice: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: the checkpoint could not be written ({reason}); the one before it is untouched. "
        f"{advice[0].upper()}{advice[1:]}."
    )


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU; a file from before checksums is read too, and that is said.

    Raises:
        CheckpointError: if it is missing, damaged, of another format or holds anything but data.
    """
    return load_with_checksum(path)[0]


def load_with_checksum(path: str | Path) -> tuple[dict[str, Any], str | None]:
    """As `load_checkpoint`, with the file's checksum as hexadecimal digits, None where it carries none.

    Raises:
        CheckpointError: if it is missing, damaged, of another format or holds anything but data.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no checkpoint here.")
    try:
        with path.open("rb", buffering=0) as file:
            state, checksum = _load(file)
    except (OSError, DamagedFileError) as error:
        raise CheckpointError(
            f"{path}: the checkpoint is damaged or not one of gan_lab's ({first_line(error)}); "
            f"{_others(path)}."
        ) from error
    if state.get("format") not in (FORMAT, WITHOUT_CHECKSUM):
        raise CheckpointError(f"{path}: not a checkpoint of this version of gan_lab.")
    if checksum is None:
        log.warning(
            f"{path}: this checkpoint carries no checksum, so damage to it would not be noticed."
        )
    return state, checksum


def _load(file: BinaryIO) -> tuple[dict[str, Any], str | None]:
    """The content of a file that stays open meanwhile, so that what is loaded is what was checked."""
    checksum = checksum_of(file) if sealed(file) else None
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # damage where no checksum shows it can raise nearly anything
        raise DamagedFileError("torch finds no tensors and plain values in it") from error
    if not isinstance(state, dict):
        raise DamagedFileError("it holds no run's state")
    if checksum is None and state.get("format") == FORMAT:
        raise DamagedFileError("its checksum is missing")
    return state, checksum


def _others(path: Path) -> str:
    """What to use instead of a damaged file: those beside it."""
    beside = sorted(file.name for file in path.parent.glob("*.ckpt") if file.name != path.name)
    if not beside:
        return "there is no other in its folder"
    return f"use another file of the folder, such as {' or '.join(beside)}"
