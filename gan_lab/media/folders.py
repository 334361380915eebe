"""A folder of single PNG files that always holds one set: never some files of it beside some of another."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from gan_lab.common.errors import ConfigError
from gan_lab.media.grids import write_png
from gan_lab.media.images import to_uint8
from gan_lab.media.points import are_points

NUMBERED = re.compile(r"\d{6,}\.png")


def check_free(out: Path, *, overwrite: bool) -> None:
    """Refuse a folder whose pictures would mix with a new set.

    Args:
        out: the folder, there or not.
        overwrite: whether a set that is there may be replaced.

    Raises:
        ConfigError: one sentence that says what is there.
    """
    pictures = sorted(path.name for path in out.glob("*.png"))
    foreign = [name for name in pictures if not NUMBERED.fullmatch(name)]
    if foreign:
        raise ConfigError(
            f"out={out}: {foreign[0]} is there, which is no sample of this command; choose another folder."
        )
    if pictures and not overwrite:
        raise ConfigError(
            f"out={out}: {len(pictures)} samples are there already; choose another folder, "
            "or set overwrite=true, which removes them."
        )


def write_folder(batches: Iterable[Tensor], out: Path, *, overwrite: bool = False) -> None:
    """Write images as 000000.png, 000001.png, ...

    They are drawn in a folder aside and moved when all are there. An older set is removed first, so that a stop at any
    moment leaves files of one set only.

    Args:
        batches: of images (N, C, H, W) in [-1, 1].
        out: the folder; made if missing.
        overwrite: whether a set that is there may be replaced.

    Raises:
        ConfigError: if the folder has a set and may not be replaced, or other pictures, or these are points.
        OSError: where the disk refuses.
    """
    check_free(out, overwrite=overwrite)
    aside = out / f".drawing-{os.getpid()}"
    aside.mkdir(parents=True)
    try:
        index = 0
        for batch in batches:
            if are_points(batch):
                raise ConfigError(
                    f"out={out}: points are drawn together in one picture; name a file, such as out=points.png."
                )
            for image in batch:
                write_png(to_uint8(image), aside / f"{index:06}.png")
                index += 1
        check_free(out, overwrite=overwrite)  # another command may have been quicker
        for old in out.glob("*.png"):
            old.unlink()
        for new in sorted(aside.iterdir()):
            new.replace(out / new.name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
