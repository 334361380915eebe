"""A discriminator that takes its time, as a large network on a small machine does."""

from __future__ import annotations

import time

from gan_lab.networks.dcgan import DcganDiscriminator


class Sleepy(DcganDiscriminator):
    """Sleeps in every call while it is trained."""

    def __init__(self, *, resolution, channels, seconds: float = 1.5):
        super().__init__(resolution=resolution, channels=channels, width=4)
        self.seconds = seconds

    def forward(self, images):
        if self.training:
            time.sleep(self.seconds)
        return super().forward(images)
