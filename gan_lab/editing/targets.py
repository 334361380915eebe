"""Real images that a generator shall make: files as tensors of its size."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_lab.common.errors import ConfigError
from gan_lab.common.paths import user_path
from gan_lab.data.decoding.bad import BadImageError
from gan_lab.data.decoding.decode import decode
from gan_lab.data.decoding.fit import centre_square, resize
from gan_lab.data.decoding.names import suffix_of
from gan_lab.data.decoding.tree import IMAGE_SUFFIXES

MOST = 64  # images that are looked for at the same time


def read_targets(given: str, shape: tuple[int, int, int]) -> tuple[Tensor, list[str]]:
    """The images (N, C, H, W) in [-1, 1] of a file or folder, cut to the centre square and resized, and their names.

    Args:
        given: a file, or a folder with at most 64 images.
        shape: (C, H, W) of the generator's images.

    Raises:
        ConfigError: one sentence, where there is none, there are too many, or one cannot be read.
    """
    path = user_path(given, "images")
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if suffix_of(file.name) in IMAGE_SUFFIXES)
    else:
        files = [path] if path.is_file() else []
    if not 0 < len(files) <= MOST:
        found = f"{len(files)} images are there" if files else "no image is there"
        raise ConfigError(f"images={given}: {found}; name an image, or a folder with 1 to {MOST}.")
    channels, side, _ = shape
    images = []
    for file in files:
        try:
            pixels = decode(file.read_bytes(), channels)
        except (BadImageError, OSError) as error:
            raise ConfigError(f"images={file}: {error}.") from error
        images.append(resize(centre_square(pixels)[None], side))
    return torch.cat(images).float() / 127.5 - 1, [file.name for file in files]
