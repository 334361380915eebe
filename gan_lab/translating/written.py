"""Translated images as files, under the names of what they were made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from gan_lab.common.errors import ConfigError
from gan_lab.media.images import to_uint8
from gan_lab.media.pictures import save_picture

WITHOUT_ALPHA = (".jpg", ".jpeg", ".jfif")


class Places:
    """Where each translation goes.

    Args:
        out: a folder, or the file of a single image.
        single: whether `out` is a file.
        overwrite: whether files that are there may be replaced.
        exact: whether pixels must stay as they are: then all files are PNG, without transparency.
        given: the file or folder of the images that are translated, which is never replaced.
    """

    def __init__(
        self,
        out: Path,
        *,
        single: bool,
        overwrite: bool,
        exact: bool = False,
        given: Path | None = None,
    ) -> None:
        self.out, self.single, self.overwrite, self.exact = out, single, overwrite, exact
        self.given = given
        self.written: set[Path] = set()

    def of(self, name: str) -> Path:
        """The file for an image of this name."""
        path = self.out if self.single else self.out / name
        return path.with_suffix(".png") if self.exact else path

    def check_free(self, names: Sequence[str]) -> None:
        """Refuse to replace what is there, unless that was allowed.

        Raises:
            ConfigError: naming the first file.
        """
        there = [self.of(name) for name in names if self.of(name).exists()]
        if there and not self.overwrite:
            raise ConfigError(
                f"out={self.out}: {there[0].name} is there already; choose another name, or set overwrite=true."
            )

    def save(self, name: str, pixels: Tensor, alpha: Tensor | None) -> Path:
        """Write bytes (C, H, W), with transparency (1, H, W) where there is some; a JPEG has none, and becomes a PNG.

        Raises:
            ConfigError: if two images have the same name, or one would replace what is given.
            GanLabError: if the format cannot hold the picture.
            OSError: where the disk refuses.
        """
        path = self.of(name)
        if alpha is not None and path.suffix.lower() in WITHOUT_ALPHA:
            path = path.with_suffix(".png")
        if self.given is not None and path.resolve() == self.given.resolve():
            raise ConfigError("its translation would replace it; choose another out=")
        if path != self.of(name) and path.exists() and not self.overwrite:
            raise ConfigError(
                f"{path.name}, which keeps its transparency, is there already; set overwrite=true"
            )
        if path in self.written:
            raise ConfigError(f"another image is written as {path.name}; rename one of them")
        self.written.add(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_picture(picture_of(pixels, alpha), path)
        return path


def bytes_of(strips: Iterable[Tensor]) -> Tensor:
    """Rows (N, C, k, W) in [-1, 1] as one image of bytes (N, C, H, W)."""
    return torch.cat([to_uint8(strip).cpu() for strip in strips], dim=2)


def alpha_of(alpha: Tensor | None, size: Sequence[int]) -> Tensor | None:
    """Transparency (1, h, w) for a translation of size (H, W)."""
    if alpha is None or tuple(alpha.shape[1:]) == tuple(size):
        return alpha
    return F.interpolate(alpha[None], size=tuple(size), mode="bilinear")[0]


def picture_of(pixels: Tensor, alpha: Tensor | None = None) -> Image.Image:
    """Bytes (1 or 3, H, W) as a picture, transparent where alpha (1, H, W) says so."""
    bands = [Image.fromarray(band.numpy()) for band in pixels]
    if alpha is not None:
        bands.append(Image.fromarray(alpha[0].numpy()))
    return (
        bands[0] if len(bands) == 1 else Image.merge(["LA", "RGB", "RGBA"][len(bands) - 2], bands)
    )
