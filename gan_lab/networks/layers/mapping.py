"""From latents to styles, and what style-based generators do with styles."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_lab.networks.layers.equalised import ROOT_TWO, EqualisedLinear, leaky, unit_length


class Mapping(nn.Module):
    """Latents, and labels where there are some, to styles: arXiv:1812.04948, section 2.

    Args:
        latent_dim: numbers of a latent.
        style_dim: numbers of a style.
        layers: linear layers, each with a leaky ReLU, >= 1.
        label_dim: number of labels, which become a vector beside the latent (arXiv:2006.06676, appendix F); None is
            without.
    """

    def __init__(
        self, latent_dim: int, style_dim: int, *, layers: int, label_dim: int | None = None
    ) -> None:
        super().__init__()
        self.label = None if label_dim is None else EqualisedLinear(label_dim, style_dim)
        first = latent_dim + (0 if label_dim is None else style_dim)
        sizes = [first, *[style_dim] * layers]
        self.layers = nn.ModuleList(
            EqualisedLinear(inputs, style_dim, gain=ROOT_TWO) for inputs in sizes[:-1]
        )

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map z (N, latent_dim), scaled to unit mean square, and labels (N, label_dim) to styles (N, style_dim)."""
        x = unit_length(z)
        if self.label is not None:
            assert labels is not None, "this generator takes labels"
            x = torch.cat([x, unit_length(self.label(labels)).to(x.dtype)], dim=1)
        for layer in self.layers:
            x = leaky(layer(x))
        return x


class MeanStyle(nn.Module):
    """The running mean of styles, from which truncation measures: arXiv:1812.04948, appendix B.

    A training call leaves its styles' mean in a buffer, `notes` tells it, and `commit` moves the running mean once for
    each update, whatever the number of micro-batches and ranks.

    Args:
        style_dim: numbers of a style.
        decay: what an update leaves of the old mean, in [0, 1).
    """

    mean: Tensor
    latest: Tensor

    def __init__(self, style_dim: int, *, decay: float = 0.998) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("mean", torch.zeros(style_dim))
        self.register_buffer("latest", torch.zeros(style_dim), persistent=False)

    @torch.no_grad()
    def look_at(self, styles: Tensor) -> None:
        """Keep the mean of styles (N, style_dim) until it is noted."""
        self.latest.copy_(styles.float().mean(dim=0))

    def notes(self) -> dict[str, Tensor]:
        """The mean of the last call's styles, by name."""
        return {"style": self.latest}

    def commit(self, noted: dict[str, Tensor]) -> None:
        """Move the running mean."""
        if "style" in noted:
            self.mean.lerp_(noted["style"], 1 - self.decay)

    def truncated(self, styles: Tensor, share: Tensor) -> Tensor:
        """Styles (N, style_dim) at this share (N, 1) of their way from the mean."""
        return self.mean + (styles - self.mean) * share


def mixed(one: Tensor, other: Tensor, cut: Tensor, mix: Tensor, *, layers: int) -> Tensor:
    """Styles (N, layers, style_dim) that change from one to the other: style mixing, arXiv:1812.04948, section 3.1.

    Args:
        one: styles (N, style_dim) of the first layers.
        other: styles (N, style_dim) of the later layers.
        cut: (N, 1) in [0, 1): the first layer of the other, from the second layer on.
        mix: (N, 1), whether there is an other.
        layers: that take a style.
    """
    first = 1 + (cut * (layers - 1)).floor()
    late = (torch.arange(layers, device=cut.device) >= first) & mix
    return torch.where(late[:, :, None], other[:, None], one[:, None])
