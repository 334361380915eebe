"""Consistency: an image and the same image a little changed shall have one logit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range, one_of
from gan_lab.common.scalars import Scalar
from gan_lab.penalties.gradient import GradientTerm

KINDS = ("real", "fake")


def mirrored_and_moved(images: Tensor, numbers: Tensor, *, shift: float) -> Tensor:
    """Mirror half of all images, and move each by whole pixels up to a share of its size; edges are reflected.

    Args:
        images: (N, C, H, W).
        numbers: (N, 3) uniform in [0, 1): whether it is mirrored, how far down and how far right.
        shift: the largest move, as a share of height and width.
    """
    flips = (numbers[:, 0] < 0.5)[:, None, None, None]
    images = torch.where(flips, images.flip(3), images)
    for dim, uniform in ((2, numbers[:, 1]), (3, numbers[:, 2])):
        size = images.shape[dim]
        most = round(size * shift)
        by = (uniform * (2 * most + 1)).floor().long().clamp(max=2 * most) - most
        index = torch.arange(size, device=images.device) - by[:, None]
        last = size - 1
        index = last - (index % max(2 * last, 1) - last).abs()
        shape = [len(images), 1, 1, 1]
        shape[dim] = size
        images = images.gather(dim, index.view(shape).expand(images.shape))
    return images


class Consistency(GradientTerm):
    """E[(D(x) - D(T(x)))^2] with T a mirror and a small move, at reals (CR), at fakes, or at both (bCR).

    Consistency Regularization for GANs, arXiv:1910.12027, eq. 2, and Improved Consistency Regularization for GANs,
    arXiv:2002.04724, eq. 2.

    Args:
        weight: the term's factor, >= 0, or a schedule.
        every: the term is due at every n-th update of the discriminator, >= 1.
        of: real, fake or both.
        shift: the largest move, as a share of the image's size, [0, 0.5].
    """

    def __init__(
        self,
        *,
        weight: Scalar = 10.0,
        every: int = 1,
        of: tuple[str, ...] = KINDS,
        shift: float = 0.125,
    ) -> None:
        super().__init__(weight=weight, every=every)
        _check(of)
        in_range("shift", shift, low=0, high=0.5)
        self.of, self.shift = tuple(of), shift

    def __call__(self, play: Any) -> Tensor:
        """Return the unweighted penalty, shape ()."""
        total: Tensor | None = None
        for kind in self.of:
            here = getattr(play, f"on_{kind}").logits.float()
            images, numbers = (
                getattr(play, kind),
                play.uniform(f"consistency/{kind}", (play.size, 3)),
            )
            changed = mirrored_and_moved(images.detach(), numbers, shift=self.shift)
            there = play.judge_as(kind, changed).logits.float()
            term = (here - there).square().mean()
            total = term if total is None else total + term
        assert total is not None
        return total


def _check(of: Sequence[str]) -> None:
    for kind in of:
        one_of("of", kind, KINDS)
    if not of or len(set(of)) < len(of):
        raise ConfigError(f"of={list(of)}: must name real, fake or both, each once.")
