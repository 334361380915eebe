"""Normalisation of planes by a name, as networks from image to image choose it."""

from __future__ import annotations

from torch import nn

from gan_lab.common.ranges import one_of

PLANES = ("instance", "batch", "none")


def plane_norm(kind: str, channels: int) -> nn.Module:
    """Normalisation of planes (N, channels, H, W): of each image by itself, over the batch, or none.

    Args:
        kind: instance (arXiv:1607.08022, without weights) | batch | none.
        channels: of the planes.

    Raises:
        ConfigError: at another kind.
    """
    one_of("norm", kind, PLANES)
    if kind == "instance":
        return nn.InstanceNorm2d(channels)
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.Identity()


def begin_small(network: nn.Module) -> None:
    """Draw the weights of all convolutions from N(0, 0.02): arXiv:1611.07004, appendix 6.2."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
