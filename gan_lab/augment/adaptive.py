"""What adaptive augmentations share: a chance that follows how sure the discriminator is of the reals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gan_lab.augment.part import Augmentation
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar


class Adaptive(Augmentation):
    """Moves p in [0, 1] so that the mean sign of the reals' logits, r_t = E[sign D(x)], stays at a target.

    Training Generative Adversarial Networks with Limited Data, arXiv:2006.06676, section 3: a discriminator that
    overfits is sure of its reals, r_t rises above the target, and p rises by a fixed amount. Else it falls.

    Attributes:
        p: the chance, a buffer ().
        signs: sum of the mean signs since p last moved, a buffer ().
        seen: updates since p last moved, a buffer ().

    Args:
        target: of r_t, in [-1, 1].
        kimg: thousands of images in which p goes from 0 to 1 at the fastest, > 0.
        every: updates of the discriminator between moves of p, >= 1; r_t is the mean over these.
        start: the first p, in [0, 1].
        fixed: p itself, in [0, 1], or a schedule; None lets it follow the target.
    """

    highest = {"fixed": 1.0}  # noqa: RUF012 - of the base
    p: Tensor
    signs: Tensor
    seen: Tensor

    def __init__(
        self,
        *,
        target: float = 0.6,
        kimg: float = 500.0,
        every: int = 4,
        start: float = 0.0,
        fixed: Scalar | None = None,
    ) -> None:
        super().__init__(**({} if fixed is None else {"fixed": fixed}))
        in_range("target", target, low=-1, high=1)
        in_range("kimg", kimg, above=0)
        in_range("every", every, low=1)
        in_range("start", start, low=0, high=1)
        if isinstance(fixed, int | float):
            in_range("fixed", fixed, low=0, high=1)
        self.target, self.kimg, self.every = target, kimg, every
        self.register_buffer("p", torch.tensor(float(start)))
        self.register_buffer("signs", torch.zeros(()))
        self.register_buffer("seen", torch.zeros(()))

    @property
    def chance(self) -> float | Tensor:
        """The p of now."""
        return self.now.get("fixed", self.p)

    @property
    def name(self) -> str:
        """What notes and logged values begin with."""
        return type(self).__name__.lower()

    def notes(self, play: Any) -> Mapping[str, Tensor]:
        """The mean sign of the reals' logits, and the images of the whole batch on all ranks."""
        logits = play.on_real.logits.detach()
        images = len(next(iter(play.whole.values()))) * play.game.ranks
        return {
            f"{self.name}/sign": logits.sign().float().mean(),
            f"{self.name}/images": torch.full_like(self.p, images),
        }

    def measures(self) -> Mapping[str, Tensor]:
        """The chance, for the log."""
        return {f"{self.name}_p": self.chance + torch.zeros_like(self.p)}

    def commit(self, noted: Mapping[str, Tensor]) -> None:
        """Move p at every n-th update of the discriminator, without a branch on values."""
        if f"{self.name}/sign" not in noted:
            return
        self.signs.add_(noted[f"{self.name}/sign"])
        self.seen.add_(1)
        due = self.seen >= self.every
        excess = (self.signs / self.seen - self.target).sign()
        step = noted[f"{self.name}/images"] * self.every / (1000 * self.kimg)
        self.p.add_(torch.where(due, excess * step, 0.0)).clamp_(0, 1)
        for counted in (self.signs, self.seen):
            counted.mul_(~due)
