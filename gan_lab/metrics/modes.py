"""How many modes of a known mixture samples cover, and how many samples lie near one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.metrics.score import Metric, about_images
from gan_lab.metrics.views import Fakes, Reals

NEAR = 3.0  # deviations


def nearest_modes(points: Tensor, centres: Tensor, *, reach: float) -> tuple[Tensor, Tensor]:
    """The nearest centre of each point, int64 (N,), and whether it lies within `reach`, bool (N,).

    Args:
        points: (N, 2).
        centres: (K, 2).
        reach: a distance.
    """
    distances, nearest = torch.cdist(points, centres).min(dim=1)
    return nearest, distances <= reach


class Modes(Metric):
    """Modes with a sample within three deviations of their centre, and the share of samples within three of any.

    PacGAN, arXiv:1712.04086, section 4.1, and Unrolled GAN, arXiv:1611.02163, section 3.1: a high-quality sample lies
    so near, and a mode is covered that has one.

    Args:
        every_kimg: evaluate when so many thousand points were seen; 0 for the end only.
        num_samples: generated points; the papers have 2,500.
        least: samples that a covered mode has, >= 1.
    """

    key = "metric/modes"
    lower_is_better = False

    def __init__(self, *, every_kimg: float = 100, num_samples: int = 2500, least: int = 1) -> None:
        super().__init__(every_kimg=every_kimg, num_samples=num_samples)
        in_range("least", least, low=1)
        self.least = least
        self.points: list[Tensor] = []

    @property
    def keys(self) -> tuple[str, ...]:
        """The number of modes, and the share of high quality."""
        return (self.key, "metric/high_quality")

    def look_at(self, reals: Reals) -> None:
        """Take the centres from the data.

        Raises:
            ConfigError: where it has none.
        """
        source: Any = reals.source
        if not hasattr(source, "centres"):
            raise ConfigError(
                "metrics: modes needs data whose modes are known; choose data=gaussians, or metrics=none."
            )
        self.centres = source.centres.to(reals.device)
        self.reach = NEAR * source.deviation
        about = about_images(reals, len(reals.images))
        self.protocol = {
            **about, "num_samples": self.num_samples, "modes": len(self.centres), "deviations": NEAR,
            "least": self.least,
        }  # fmt: skip

    def reset(self) -> None:
        """Forget the fakes."""
        self.points = []

    def add(self, fakes: Fakes) -> None:
        """See points (n, 2, 1, 1)."""
        self.points.append(fakes.images.flatten(1))

    def compute(self) -> dict[str, float]:
        """Of all points seen."""
        nearest, near = nearest_modes(torch.cat(self.points), self.centres, reach=self.reach)
        counts = nearest[near].bincount(minlength=len(self.centres))
        values = (float((counts >= self.least).sum()), float(near.float().mean()))
        return dict(zip(self.keys, values, strict=True))
