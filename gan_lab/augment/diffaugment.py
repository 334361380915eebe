"""DiffAugment: colours, translation and cutout, for training on few images.

Differentiable Augmentation for Data-Efficient GAN Training, arXiv:2006.10738, section 3 and appendix. Each image draws
its own numbers. Functions first; each takes images (N, C, H, W) and numbers (N,) uniform in [-1, 1) or [0, 1), reads
no value on the host, and can be differentiated any number of times.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gan_lab.augment.part import Augmentation, Draw
from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range, one_of

KINDS = ("color", "translation", "cutout")
BRIGHTNESS, SATURATION, CONTRAST = 0.5, 1.0, 0.5  # the largest changes
TRANSLATION, CUTOUT = 1 / 8, 1 / 2  # of the height and width


def brightened(images: Tensor, amount: Tensor) -> Tensor:
    """Images plus a number of each, amount (N,)."""
    return images + _each(amount)


def saturated(images: Tensor, amount: Tensor) -> Tensor:
    """Each pixel's distance from the grey of its channels, times 1 + amount (N,)."""
    return images + _each(amount) * (images - images.mean(dim=1, keepdim=True))


def contrasted(images: Tensor, amount: Tensor) -> Tensor:
    """Each pixel's distance from its image's mean, times 1 + amount (N,)."""
    return images + _each(amount) * (images - images.mean(dim=(1, 2, 3), keepdim=True))


def translated(images: Tensor, down: Tensor, right: Tensor, *, ratio: float) -> Tensor:
    """Move images by whole pixels, up to `ratio` of their size each way; what comes in is 0.

    Args:
        images: (N, C, H, W).
        down: (N,) uniform in [0, 1), of the rows.
        right: (N,) uniform in [0, 1), of the columns.
        ratio: the largest move, as a share of the height and of the width.
    """
    height, width = images.shape[2:]
    moved = _shifted(images, _whole(down, round(height * ratio)), dim=2)
    return _shifted(moved, _whole(right, round(width * ratio)), dim=3)


def cut_out(images: Tensor, down: Tensor, right: Tensor, *, ratio: float) -> Tensor:
    """Set a rectangle of each image to 0, `ratio` of its height and width, with its centre anywhere in the image.

    Args:
        images: (N, C, H, W).
        down: (N,) uniform in [0, 1), of the centre's row.
        right: (N,) uniform in [0, 1), of the centre's column.
        ratio: of the rectangle's sides to the image's.
    """
    height, width = images.shape[2:]
    rows = _within(down, height, round(height * ratio))[:, None, :, None]
    columns = _within(right, width, round(width * ratio))[:, None, None, :]
    return images * ~(rows & columns)


class DiffAugment(Augmentation):
    """Random colours, translation and cutout of what the discriminator sees.

    Args:
        kinds: of color (brightness, saturation and contrast), translation and cutout, in the order of their use.
        strength: of all of them, [0, 1]; 1 is the paper's, 0 changes nothing.
    """

    def __init__(self, *, kinds: tuple[str, ...] = KINDS, strength: float = 1.0) -> None:
        super().__init__()
        for kind in kinds:
            one_of("kinds", kind, KINDS)
        if len(set(kinds)) < len(kinds):
            raise ConfigError(f"kinds={list(kinds)}: each may be named once.")
        in_range("strength", strength, low=0, high=1)
        self.kinds = tuple(kinds)
        self.strength = strength

    def forward(self, images: Tensor, draw: Draw) -> Tensor:
        """Map images (N, C, H, W) to changed ones, no longer bounded, in float32 or finer."""
        images = images.to(torch.promote_types(images.dtype, torch.float32))
        for kind in self.kinds:
            images = getattr(self, f"_{kind}")(images, draw)
        return images

    def _color(self, images: Tensor, draw: Draw) -> Tensor:
        amounts = (2 * draw.uniform("color", (len(images), 3)) - 1) * self.strength
        brightness, saturation, contrast = amounts.unbind(dim=1)
        images = brightened(images, BRIGHTNESS * brightness)
        images = saturated(images, SATURATION * saturation)
        return contrasted(images, CONTRAST * contrast)

    def _translation(self, images: Tensor, draw: Draw) -> Tensor:
        down, right = draw.uniform("translation", (len(images), 2)).unbind(dim=1)
        return translated(images, down, right, ratio=TRANSLATION * self.strength)

    def _cutout(self, images: Tensor, draw: Draw) -> Tensor:
        down, right = draw.uniform("cutout", (len(images), 2)).unbind(dim=1)
        return cut_out(images, down, right, ratio=CUTOUT * self.strength)


def _each(numbers: Tensor) -> Tensor:
    """Numbers (N,) beside images (N, C, H, W)."""
    return numbers[:, None, None, None]


def _places(uniform: Tensor, count: int) -> Tensor:
    """Whole numbers 0 .. count - 1, int64 (N,), of numbers (N,) uniform in [0, 1)."""
    return (uniform * count).long().clamp(max=count - 1)


def _whole(uniform: Tensor, most: int) -> Tensor:
    """Whole numbers -most .. most, each as likely as the others."""
    return _places(uniform, 2 * most + 1) - most


def _shifted(images: Tensor, by: Tensor, *, dim: int) -> Tensor:
    """Move rows (dim 2) or columns (dim 3) towards higher indices by whole numbers (N,)."""
    size = images.shape[dim]
    source = torch.arange(size, device=images.device) - by[:, None]
    shape = [len(images), 1, 1, 1]
    shape[dim] = size
    inside = ((source >= 0) & (source < size)).view(shape)
    index = source.clamp(0, size - 1).view(shape).expand(images.shape)
    return images.gather(dim, index) * inside


def _within(uniform: Tensor, size: int, length: int) -> Tensor:
    """Which of `size` places, bool (N, size), lie in a stretch of this length about a random centre."""
    # An even stretch has its centre between two places, and so one centre more.
    first = _places(uniform, size + 1 - length % 2) - length // 2
    place = torch.arange(size, device=uniform.device)
    return (place >= first[:, None]) & (place < first[:, None] + length)
