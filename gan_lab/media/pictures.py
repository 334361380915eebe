"""Pictures as files of any format that Pillow writes, chosen by the name's suffix."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from gan_lab.common.errors import ConfigError, GanLabError, first_line
from gan_lab.storage.files import whole_file

COMMON = (".png", ".jpg", ".webp", ".gif", ".tiff", ".bmp", ".pdf")

# Icons: Pillow would store them in other sizes, without a word.
_RESIZED = ("ICO", "ICNS")
# As little loss as the format allows: an edge of a grid has no soft colours around it.
_QUALITY: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "MPO": {"quality": 95, "subsampling": 0},
    "PDF": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
}


def names_a_picture(text: str) -> bool:
    """Whether what a person wrote is the name of a picture, and not of a folder.

    A folder is there as one, ends in a slash, has no suffix, or one of digits only, as in `lr=0.001`.
    """
    path = Path(text)
    is_folder = text.endswith(("/", os.sep)) or path.expanduser().is_dir()
    return not is_folder and path.suffix not in ("", ".") and not path.suffix[1:].isdigit()


def picture_format(path: Path, option: str = "out") -> str:
    """Pillow's name of the format that the suffix stands for.

    Args:
        path: of the picture.
        option: its name, for messages.

    Raises:
        ConfigError: where Pillow writes no picture of this suffix.
    """
    Image.init()
    name = Image.registered_extensions().get(path.suffix.lower(), "")
    if name in _RESIZED or not _writes(name):
        raise ConfigError(
            f"{option}={path}: pictures with the suffix {path.suffix} cannot be written; use {', '.join(COMMON)} or "
            "another that Pillow writes, or end the name in / for a folder of single PNG files."
        )
    return name


def save_picture(picture: Image.Image, path: Path) -> None:
    """Save a picture in the format of its suffix, whole or not at all.

    Raises:
        ConfigError: where there is no such format.
        GanLabError: if the format cannot hold this picture.
        OSError: where the disk refuses.
    """
    name, content = picture_format(path), BytesIO()
    try:
        picture.save(content, format=name, **_QUALITY.get(name, {}))
    except (OSError, ValueError, OverflowError) as error:
        width, height = picture.size
        raise GanLabError(
            f"{path}: {name} cannot hold a picture of {width} x {height} pixels ({first_line(error)})."
        ) from error
    with whole_file(path) as file:
        file.write(content.getbuffer())


def _writes(name: str) -> bool:
    """Whether Pillow saves a picture in colours so; of some formats it knows the names only."""
    if name not in Image.SAVE:
        return False
    try:
        Image.new("RGB", (8, 8)).save(BytesIO(), format=name)
    except (OSError, ValueError, KeyError):
        return False
    return True
