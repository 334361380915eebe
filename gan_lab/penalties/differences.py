"""R1 and R2 by finite differences: the change of a logit under small noise in place of its gradient.

A second forward pass stands for the second derivative, so networks that cannot be differentiated twice, such as
compiled ones or fused attention, can have these penalties: Adversarial Flow Models, arXiv:2511.22475, section 3, and
Scalable GANs with Transformers, arXiv:2509.24935, section 3.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar
from gan_lab.penalties.gradient import GradientTerm


def squared_change(logits: Tensor, moved: Tensor, sigma: float) -> Tensor:
    """Half the mean squared slope towards random directions: 1/2 E[ (D(x + sigma n) - D(x))^2 ] / sigma^2.

    With n standard normal its expectation is 1/2 E[ ||grad_x D(x)||^2 ] up to terms in sigma^2, which is R1 at reals.

    Args:
        logits: D(x), shape (N,).
        moved: D(x + sigma n), shape (N,).
        sigma: > 0.

    Returns:
        Shape (), float32, >= 0.
    """
    return 0.5 * ((moved.float() - logits.float()) / sigma).square().mean()


class R1Difference(GradientTerm):
    """R1 by `squared_change` at real images; the weight is R1's gamma.

    Args:
        weight: the term's factor, >= 0, or a schedule.
        every: the term is due at every n-th update of the discriminator, >= 1.
        sigma: deviation of the noise on pixels in [-1, 1], > 0.
        precise: judge in float32 where the run has half precision, which rounds logits by as much as they change.
    """

    def __init__(
        self, *, weight: Scalar = 10.0, every: int = 1, sigma: float = 0.01, precise: bool = True
    ) -> None:
        super().__init__(weight=weight, every=every)
        in_range("sigma", sigma, above=0)
        self.sigma = sigma
        self.precise = precise

    def __call__(self, play: Any) -> Tensor:
        """Return the unweighted penalty, shape ()."""
        return self._of(play, "real")

    def _of(self, play: Any, kind: str) -> Tensor:
        """Of the play's reals or fakes, which both passes see under the same augmentation."""
        images = getattr(play, kind).detach()
        device = images.device.type
        noise = play.normal(f"difference/{kind}", tuple(images.shape))
        again = self.precise and torch.is_autocast_enabled(device)
        with torch.autocast(device, enabled=False) if again else nullcontext():
            images = images.float()
            here = play.judge_as(kind, images) if again else getattr(play, f"on_{kind}")
            there = play.judge_as(kind, images + self.sigma * noise)
        return squared_change(here.logits, there.logits, self.sigma)


class R2Difference(R1Difference):
    """R2 by `squared_change` at generated images; the weight is R2's gamma."""

    def __call__(self, play: Any) -> Tensor:
        """Return the unweighted penalty, shape ()."""
        return self._of(play, "fake")
