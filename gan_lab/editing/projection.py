"""Where in a generator's space a real image lies: the point whose image looks most like it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gan_lab.common.ranges import in_range
from gan_lab.editing.spaces import Space, sampled_points, spread_of
from gan_lab.perceptual.distance import PerceptualDistance

RATE = 0.1  # of Adam at its highest, in units of the space's spread
RISING, FALLING = 0.05, 0.25  # shares of the steps in which the rate does so
NOISE, NOISE_ENDS = (
    0.05,
    0.75,
)  # its strength at the start, and the share of the steps at which it is gone


@dataclass(frozen=True)
class Projected:
    """What a projection has found so far.

    Attributes:
        points: (N, dim), one for each target.
        images: (N, C, H, W) in [-1, 1], what the generator makes of them.
        distances: (N,), perceptual, of these images from their targets.
        step: how many steps were taken.
    """

    points: Tensor
    images: Tensor
    distances: Tensor
    step: int


def project(
    space: Space, targets: Tensor, *, steps: int = 300, distance: PerceptualDistance | None = None
) -> Iterator[Projected]:
    """Move a point for each target so that its image comes near: arXiv:1912.04958, appendix D.

    It begins at the mean point. The rate rises and then falls as a cosine; noise on the point fades meanwhile.

    Args:
        space: z or w of a trained generator.
        targets: images (N, C, H, W) in [-1, 1] of the generator's size.
        steps: how many, >= 1.
        distance: of images; None takes the project's own small network.

    Yields:
        What each step has found: the best point of each target so far.
    """
    in_range("steps", steps, low=1)
    measured = (distance or PerceptualDistance()).to(targets.device)
    wanted = [maps.detach() for maps in measured.features(targets)]
    unit = spread_of(space)
    points = sampled_points(space).mean(dim=0).repeat(len(targets), 1).requires_grad_(True)
    optimizer = torch.optim.Adam([points], lr=RATE * unit, betas=(0.9, 0.999))
    generator = torch.Generator(points.device).manual_seed(0)
    best: Projected | None = None
    for step in range(steps):
        share = step / steps
        optimizer.param_groups[0]["lr"] = RATE * unit * _ramp(share)
        noise = torch.randn(points.shape, generator=generator, device=points.device)
        strength = unit * NOISE * max(0.0, 1 - share / NOISE_ENDS) ** 2
        with torch.enable_grad():
            images = space.draw(points + strength * noise)
            distances = measured.between(measured.features(images), wanted)
            optimizer.zero_grad()
            distances.sum().backward()
        now = Projected(
            (points + strength * noise).detach(), images.detach(), distances.detach(), step + 1
        )
        best = now if best is None else _better(best, now)
        optimizer.step()
        yield best


def _ramp(share: float) -> float:
    """Factor of the rate after this share of the steps."""
    falling = min(1.0, (1.0 - share) / FALLING)
    return (0.5 - 0.5 * math.cos(math.pi * falling)) * min(1.0, (share + 1e-3) / RISING)


def _better(before: Projected, now: Projected) -> Projected:
    """Of each target what is nearer to it."""
    nearer = now.distances < before.distances
    return Projected(
        torch.where(nearer[:, None], now.points, before.points),
        torch.where(nearer[:, None, None, None], now.images, before.images),
        torch.where(nearer, now.distances, before.distances),
        now.step,
    )
