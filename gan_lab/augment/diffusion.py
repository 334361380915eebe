"""Adaptive noise of a diffusion process in front of the discriminator.

Diffusion-GAN: Training GANs with Diffusion, arXiv:2206.02262, section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gan_lab.augment.adaptive import Adaptive
from gan_lab.augment.part import Draw
from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range, one_of
from gan_lab.common.scalars import Scalar

UNTOUCHED = 0.5  # share of images with t = 0, section 3.3


class Diffusion(Adaptive):
    """y = sqrt(a_t) x + sqrt(1 - a_t) std e with e standard normal, eq. 3; each image has its own step t up to T.

    Half of the images stay as they are. T goes from `t_min` to `t_max` as p goes from 0 to 1, and p follows
    `Adaptive`: a discriminator that is sure of its reals gets more noise. Departure: it is not told t.

    Args:
        t_min: the fewest steps T, >= 1.
        t_max: the most, at least t_min.
        beta_start: share of noise of the first step, (0, 1).
        beta_end: of step t_max, between them on a line, (0, 1).
        std: of the noise on pixels in [-1, 1], > 0.
        times: priority (t as likely as it is large) or uniform.
        target: of the mean sign of the reals' logits, in [-1, 1].
        kimg: thousands of images in which T goes from t_min to t_max at the fastest, > 0.
        every: updates of the discriminator between moves of T, >= 1.
        start: the first p, in [0, 1].
        fixed: p itself, in [0, 1], or a schedule; None lets it follow the target.
    """

    kept: Tensor

    def __init__(
        self,
        *,
        t_min: int = 10,
        t_max: int = 1000,
        beta_start: float = 1e-4,
        beta_end: float = 2e-2,
        std: float = 0.05,
        times: str = "priority",
        target: float = 0.6,
        kimg: float = 100.0,
        every: int = 4,
        start: float = 0.0,
        fixed: Scalar | None = None,
    ) -> None:
        super().__init__(target=target, kimg=kimg, every=every, start=start, fixed=fixed)
        in_range("t_min", t_min, low=1)
        in_range("beta_start", beta_start, above=0, below=1)
        in_range("beta_end", beta_end, above=0, below=1)
        in_range("std", std, above=0)
        one_of("times", times, ("priority", "uniform"))
        if t_max < t_min:
            raise ConfigError(f"t_max={t_max}: must be at least t_min={t_min}.")
        self.t_min, self.t_max, self.std, self.times = t_min, t_max, std, times
        betas = torch.linspace(beta_start, beta_end, t_max, dtype=torch.float64)
        kept = torch.cat([torch.ones(1, dtype=torch.float64), (1 - betas).cumprod(0)])
        self.register_buffer("kept", kept.float(), persistent=False)

    @property
    def most(self) -> Tensor:
        """T of now, a whole number ()."""
        chance = self.chance + torch.zeros_like(self.p)
        return (self.t_min + chance * (self.t_max - self.t_min)).round()

    def steps(self, uniform: Tensor) -> Tensor:
        """Steps t, int64 (N,) from 1 to T, of numbers (N,) uniform in [0, 1): section 3.3.

        With priority the chance of t is 2 t / (T (T + 1)).
        """
        most = self.most
        if self.times == "uniform":
            found = (uniform * most).floor() + 1
        else:
            found = ((1 + 4 * uniform * most * (most + 1)).sqrt() / 2 + 0.5).floor()
        return found.long().clamp(min=1).minimum(most.long())

    def forward(self, images: Tensor, draw: Draw) -> Tensor:
        """Map images (N, C, H, W) to noisy ones, no longer bounded, in float32 or finer."""
        images = images.to(torch.promote_types(images.dtype, torch.float32))
        whether, time = draw.uniform("time", (len(images), 2)).unbind(dim=1)
        steps = self.steps(time) * (whether >= UNTOUCHED)
        kept = self.kept[steps][:, None, None, None].to(images.dtype)
        noise = draw.normal("noise", tuple(images.shape))
        return kept.sqrt() * images + (1 - kept).sqrt() * (self.std * noise)
