"""Networks that show their label: a generator that paints it, and a discriminator that compares it."""

from __future__ import annotations

import torch
from torch import nn

from gan_lab.networks.output import DiscriminatorOutput


class Paints(nn.Module):
    """Every pixel is a tenth of the class's number."""

    takes_labels = True

    def __init__(self, *, resolution: int, channels: int, label_dim: int | None = None):
        super().__init__()
        self.shape = (channels, resolution, resolution)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, z, labels):
        shade = (
            labels @ torch.arange(labels.shape[1], device=z.device, dtype=torch.float32) / 10
            + 0 * self.scale
        )
        return shade.view(-1, 1, 1, 1).expand(-1, *self.shape)


class Compares(nn.Module):
    """The distance between the mean pixel and what the label would paint, times a weight."""

    takes_labels = True

    def __init__(self, *, resolution: int, channels: int, label_dim: int | None = None):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, images, labels):
        shade = (
            labels @ torch.arange(labels.shape[1], device=images.device, dtype=torch.float32) / 10
        )
        found = (images.flatten(1).mean(1) - shade).abs() * self.weight
        return DiscriminatorOutput(-found, images.flatten(1))
