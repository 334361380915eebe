"""Normalisation layers of convolutional networks, by name."""

from __future__ import annotations

from torch import nn


def norm2d(kind: str, channels: int) -> nn.Module:
    """Build a normalisation with a gain and a bias per channel.

    Args:
        kind: "batch"; "layer", over (C, H, W) of each sample (Ba et al. 2016, arXiv:1607.06450,
            with gains per channel, as WGAN-GP's code has them); "instance", over (H, W) of each
            sample and channel (arXiv:1607.08022); or "none".
        channels: C of the images (N, C, H, W).
    """
    match kind:
        case "batch":
            return nn.BatchNorm2d(channels)
        case "layer":
            return nn.GroupNorm(1, channels)
        case "instance":
            return nn.InstanceNorm2d(channels, affine=True)
        case "none":
            return nn.Identity()
    raise ValueError(f"norm {kind!r} is none of batch, layer, instance, none")
