"""Normalisation layers of convolutional networks, by name."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.networks.layers.labels import LabelEmbedding, TakesLabels


class ConditionalBatchNorm2d(TakesLabels, nn.BatchNorm2d):
    """Batch normalisation whose gain and bias hang on labels: arXiv:1610.07629, eq. 5; arXiv:1707.00683, section 3.

    y = (x - mean) / deviation * (1 + gains(labels)) + biases(labels), mean and deviation those of the whole batch.

    Args:
        channels: C of the images (N, C, H, W).
        gains: maps labels, or what stands for them, (N, L) to (N, C).
        biases: likewise.
    """

    def __init__(self, channels: int, *, gains: nn.Module, biases: nn.Module) -> None:
        super().__init__(channels, affine=False)
        self.gains: nn.Module = gains
        self.biases: nn.Module = biases

    def forward(self, input: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]
        """Map (N, C, H, W) and (N, L) to (N, C, H, W)."""
        # As torch's own norm, in float32 up to the result: bfloat16 has no number between 1 and 1.0078.
        normal = super().forward(_fine(input))
        gain, bias = (_fine(part(labels))[:, :, None, None] for part in (self.gains, self.biases))
        return torch.addcmul(bias, normal, 1 + gain).to(input.dtype)


def norm2d(kind: str, channels: int, label_dim: int | None = None) -> nn.Module:
    """Build a normalisation with a gain and a bias per channel.

    Args:
        kind: "batch"; "layer", over (C, H, W) of each sample (Ba et al. 2016, arXiv:1607.06450,
            with gains per channel, as WGAN-GP's code has them); "instance", over (H, W) of each
            sample and channel (arXiv:1607.08022); or "none".
        channels: C of the images (N, C, H, W).
        label_dim: of labels on which gains and biases hang; None is without labels.

    Raises:
        ConfigError: if labels meet another norm than "batch".
    """
    if label_dim is not None:
        if kind != "batch":
            raise ConfigError(
                f"labels=norm: labels set the gains of norm=batch, not of norm={kind}."
            )
        parts = {name: LabelEmbedding(label_dim, channels) for name in ("gains", "biases")}
        return ConditionalBatchNorm2d(channels, **parts)
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


def _fine(x: Tensor) -> Tensor:
    """In float32 or finer."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
