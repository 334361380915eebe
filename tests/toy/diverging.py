"""Networks that look healthy by their weights while something else is infinite from a call on."""

from __future__ import annotations

import torch
from torch import nn

from gan_lab.networks.dcgan import DcganDiscriminator, DcganGenerator

FIRST = 13


class InfiniteBuffer(DcganDiscriminator):
    """A running number that has overflowed."""

    def __init__(self, *, resolution, channels):
        super().__init__(resolution=resolution, channels=channels, width=4)
        self.register_buffer("running", torch.zeros(()))
        self.calls = 0

    def forward(self, images):
        self.calls += self.training
        self.running.fill_(float("inf") if self.calls >= FIRST else 1.0)
        return super().forward(images)


class InfiniteAverage(DcganGenerator):
    """A buffer that overflows once: the network forgets it, its average does not."""

    def __init__(self, *, resolution, channels, latent_dim):
        super().__init__(resolution=resolution, channels=channels, latent_dim=latent_dim, width=4)
        self.register_buffer("running", torch.zeros(()))
        self.calls = 0

    def forward(self, latents):
        if self.training:
            self.calls += 1
            # Both calls of one round, after which no checkpoint is due.
            self.running.fill_(float("inf") if FIRST <= self.calls <= FIRST + 1 else 1.0)
        return super().forward(latents)


class InfiniteMoment(DcganDiscriminator):
    """A gradient whose square overflows once: Adam's second moment stays infinite, and the weight stays as it is."""

    def __init__(self, *, resolution, channels):
        super().__init__(resolution=resolution, channels=channels, width=4)
        self.extra = nn.Parameter(torch.zeros(()))
        self.calls = 0

    def forward(self, images):
        found = super().forward(images)
        self.calls += self.training
        factor = 1e30 if self.calls == FIRST else 0.0
        # Adds nothing, but has a gradient.
        nothing = self.extra * factor - (self.extra * factor).detach()
        return type(found)(found.logits + nothing, found.features)
