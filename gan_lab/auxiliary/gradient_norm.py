"""The gradient that the discriminator sends into the fakes, brought to a steady size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from gan_lab.common.ranges import in_range


class Play(Protocol):
    """The part of a play that this reads."""

    @property
    def fake(self) -> Tensor:
        """Generated images (N, C, H, W)."""

    def note(self, name: str, value: Tensor) -> None:
        """Note a number for `commit`."""


class GradientNorm(nn.Module):
    """Divides the gradient at the fakes by the root of a running mean of its square: arXiv:2511.22475, section 3.

    With g the gradient of the generator's adversarial loss at all n values of the fakes, the mean is that of n |g|^2,
    so a gradient that passes has a size of about 1 / sqrt(n), as that of a mean has. Then a weight beside the
    adversarial loss, such as the transport term's, means the same whatever the discriminator's scale.

    Args:
        decay: share of the mean that one update keeps, [0, 1); the paper has 0.9.
        floor: added to the root, >= 0.
    """

    mean: Tensor

    def __init__(self, *, decay: float = 0.9, floor: float = 1e-8) -> None:
        super().__init__()
        in_range("decay", decay, low=0, below=1)
        in_range("floor", floor, low=0)
        self.decay, self.floor = decay, floor
        self.register_buffer("mean", torch.zeros(()))

    def steer(self, loss: Tensor, play: Play) -> Tensor:
        """The adversarial loss () by value, whose gradient at the play's fakes has the wanted size."""
        fake = play.fake
        (gradient,) = torch.autograd.grad(loss, [fake], retain_graph=True)
        gradient = gradient.float()
        square = gradient.square().sum() * gradient.numel()
        play.note("gradient_norm", square)
        scale = self.mean.lerp(square, 1 - self.decay).sqrt() + self.floor
        # A product with the fakes has that gradient there, and reaches the generator as any loss does.
        passed = (fake.float() * (gradient / scale)).sum()
        return loss.detach() + passed - passed.detach()

    def commit(self, noted: Mapping[str, Tensor]) -> None:
        """Move the mean, once for each update."""
        if "gradient_norm" in noted:
            self.mean.lerp_(noted["gradient_norm"], 1 - self.decay)
