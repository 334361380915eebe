"""LeCam regularisation: logits are held near running means of those of the other kind, for few images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar


class LeCam(nn.Module):
    """E[(D(x) - a_F)^2] + E[(D(G(z)) - a_R)^2]: Regularizing GANs under Limited Data, arXiv:2104.03310, eq. 4.

    a_R and a_F are running means of the logits of reals and fakes.

    Args:
        weight: the term's factor, >= 0, or a schedule.
        every: the term is due at every n-th update of the discriminator, >= 1.
        decay: of the running means, [0, 1).
        start: updates before the term counts, >= 0; until then the means are those of the last update.
    """

    player: ClassVar[str] = "discriminator"
    differentiates: ClassVar[frozenset[str]] = frozenset()
    real: Tensor
    fake: Tensor
    seen: Tensor

    def __init__(
        self, *, weight: Scalar = 0.3, every: int = 1, decay: float = 0.99, start: int = 1000
    ) -> None:
        super().__init__()
        if not isinstance(weight, Mapping):
            in_range("weight", weight, low=0)
        in_range("every", every, low=1)
        in_range("decay", decay, low=0, below=1)
        in_range("start", start, low=0)
        self.weight, self.every, self.decay, self.start = weight, every, decay, start
        for name in ("real", "fake", "seen"):
            self.register_buffer(name, torch.zeros(()))

    def forward(self, play: Any) -> Tensor:
        """Return the unweighted term, shape (); 0 before it counts."""
        real, fake = play.on_real.logits.float(), play.on_fake.logits.float()
        play.note("lecam/real", real.mean())
        play.note("lecam/fake", fake.mean())
        term = (real - self.fake).square().mean() + (fake - self.real).square().mean()
        # The means of no update yet are nothing to be held at.
        return term * (self.seen >= max(self.start, 1))

    def commit(self, noted: Mapping[str, Tensor]) -> None:
        """Move the means, once for each update."""
        if "lecam/real" not in noted:
            return
        kept = self.decay * (self.seen >= max(self.start, 1))
        for name in ("real", "fake"):
            mean = getattr(self, name)
            mean.copy_(kept * mean + (1 - kept) * noted[f"lecam/{name}"])
        self.seen.add_(1)
