"""How near images come to the true ones where they were made: inside of holes, on a held-out split."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from gan_lab.media.images import to_uint8
from gan_lab.metrics.score import Metric, about_images
from gan_lab.metrics.views import Fakes, Reals
from gan_lab.perceptual.distance import PerceptualDistance

REGION = 3  # the answer to `view` that shows where an image was made
LEAST = 1e-10  # a smaller squared distance counts as this one: 100 decibels


class Region(Metric):
    """The mean distance of pixels from the true image, inside of the holes alone; lower is better. PSNR beside.

    Beside them stands the perceptual distance of the image with its holes filled, by the project's small network. Each
    image that has a hole counts equally, however large it is. The protocol tells what an answer without learning gets:
    the mean of the pixels of the image that are known, channel by channel.

    Args:
        every_kimg: evaluate when so many thousand training images were seen; 0 for the end only.
        num_samples: images of the split, at most.
    """

    key = "metric/region_l1"
    needs: ClassVar[frozenset[str]] = frozenset({"pairs", "region"})

    def __init__(self, *, every_kimg: float = 10, num_samples: int = 500) -> None:
        super().__init__(every_kimg=every_kimg, num_samples=num_samples)

    @property
    def keys(self) -> tuple[str, ...]:
        """The distance of pixels, then decibels, then the distance of features."""
        return (self.key, "metric/region_psnr", "metric/region_perceptual")

    def look_at(self, reals: Reals) -> None:
        """Note what the images are, and open the network."""
        self.device = reals.device
        self.distance = PerceptualDistance().to(reals.device)
        self.protocol = {
            **about_images(reals, len(reals.images)),
            "num_samples": min(self.num_samples, len(reals.images)),
            "pixels": "uint8, rounded and clamped, as [0, 1], inside of the holes",
            "perceptual": self.distance.name,
            "perceptual_sha256": self.distance.sha256,
        }

    def reset(self) -> None:
        """Forget the fakes."""
        self.made: list[Tensor] = []
        self.mean: list[Tensor] = []

    def add(self, fakes: Fakes) -> None:
        """Compare with the true images of the same rows, and with their known pixels' mean."""
        assert fakes.view is not None
        inside = (fakes.view(view=REGION)[:, :1] > 0).float()
        holed = inside.flatten(1).any(dim=1)
        inside = inside[holed]
        true = fakes.rows["images"].to(inside.device)[holed].float() / 255
        known = 1 - inside
        mean = (true * known).sum(dim=(2, 3), keepdim=True) / _places(known)
        self.made.append(self._measured(inside, to_uint8(fakes.images[holed]).float() / 255, true))
        self.mean.append(self._measured(inside, mean.expand_as(true), true))

    @torch.no_grad()
    def _measured(self, inside: Tensor, made: Tensor, true: Tensor) -> Tensor:
        """All measures (N, 3) of images (N, C, H, W) in [0, 1] whose holes are filled with `made`."""
        filled = torch.where(inside > 0, made, true)
        far = self.distance(filled * 2 - 1, true * 2 - 1)
        return torch.cat([inside_of(inside, made, true), far[:, None]], dim=1)

    def compute(self) -> dict[str, float]:
        """Means over all images."""
        found, plain = (
            torch.cat(seen).double().mean(dim=0).tolist() for seen in (self.made, self.mean)
        )
        names = [f"{key.removeprefix('metric/')}_of_the_known_mean" for key in self.keys]
        self.protocol |= dict(zip(names, plain, strict=True))
        return dict(zip(self.keys, found, strict=True))


def inside_of(inside: Tensor, made: Tensor, true: Tensor) -> Tensor:
    """L1 and PSNR (N, 2) of images (N, C, H, W) in [0, 1], over the places where `inside` (N, 1, H, W) is 1."""
    difference = made - true
    count = _places(inside).flatten() * true.shape[1]
    l1 = (difference.abs() * inside).sum(dim=(1, 2, 3)) / count
    squared = (difference.square() * inside).sum(dim=(1, 2, 3)) / count
    return torch.stack([l1, -10 * squared.clamp(min=LEAST).log10()], dim=1)


def _places(mask: Tensor) -> Tensor:
    """How many places of a mask (N, 1, H, W) are 1, at least one: (N, 1, 1, 1)."""
    return mask.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1)
