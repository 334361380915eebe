"""CelebA's attributes as labels: which there are, and what its list says of each image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from gan_lab.common.errors import ConfigError, DataError, nearest

LIST = "list_attr_celeba.txt"
ATTRIBUTES = (
    "5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips", "Big_Nose",
    "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby", "Double_Chin", "Eyeglasses",
    "Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache",
    "Narrow_Eyes", "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks",
    "Sideburns", "Smiling", "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick",
    "Wearing_Necklace", "Wearing_Necktie", "Young",
)  # fmt: skip


def chosen_attributes(labels: str | Sequence[str] | None) -> tuple[str, ...]:
    """The attributes that data.labels names.

    Raises:
        ConfigError: if one is unknown or named twice.
    """
    names = (labels,) if isinstance(labels, str) else tuple(labels or ())
    for name in names:
        if name not in ATTRIBUTES:
            hint = nearest(name, ATTRIBUTES) or "; CelebA's list of attributes names all forty."
            raise ConfigError(f"data.labels={name}: CelebA has no such attribute{hint}")
        if names.count(name) > 1:
            raise ConfigError(f"data.labels: {name} is named twice.")
    return names


def classes_of(attributes: Sequence[str]) -> tuple[str, ...]:
    """Names of the labels: two classes of one attribute, else the attributes."""
    return (f"not {attributes[0]}", attributes[0]) if len(attributes) == 1 else tuple(attributes)


def read_labels(path: Path, attributes: Sequence[str], *, files: Sequence[str]) -> Tensor:
    """Read what the list says of some images.

    Args:
        path: list_attr_celeba.txt: a count, a line of names, and a line of -1 and 1 for each image.
        attributes: which of them, at least one.
        files: names of the images, such as "000001.jpg".

    Returns:
        One attribute: classes int64 (N,) in {0, 1}; several: float32 (N, A) in {0, 1}.

    Raises:
        DataError: if the list is missing, damaged, or does not know an image.
    """
    try:
        lines = path.read_text().splitlines()
        columns = [lines[1].split().index(name) for name in attributes]
        rows = {}
        for line in lines[2:]:
            file, *values = line.split()
            rows[file] = [{"-1": 0, "1": 1}[values[column]] for column in columns]
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise DataError(
            f"data.labels: '{path}' is missing or is not CelebA's list of attributes ({error!r}); get it again, or "
            "set data.labels=null."
        ) from error
    unknown = [file for file in files if file not in rows]
    if unknown:
        raise DataError(
            f"data.labels: '{path}' does not know {len(unknown):,} of {len(files):,} images, such as "
            f"'{unknown[0]}'; get the whole list, or set data.labels=null."
        )
    found = torch.tensor([rows[file] for file in files])
    return found[:, 0].long() if len(attributes) == 1 else found.float()
