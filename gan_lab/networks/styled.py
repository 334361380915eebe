"""What style-based generators have in common: the mapping network, styles of layers, noise inputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gan_lab.common.ranges import in_range
from gan_lab.networks.labelled import LabelledNetwork
from gan_lab.networks.layers.mapping import Mapping, MeanStyle, mixed


class StyledNetwork(LabelledNetwork):
    """A mapping network in front of a synthesis network, which a generator adds: arXiv:1812.04948, sections 2 and 3.

    Attributes:
        truncates: samples may lie nearer to the mean style.
        styled_layers: layers of the synthesis network that take a style; the generator says how many.
        rates: the mapping network learns at a rate of its own.
        draws: what training draws for it, by name.

    Args:
        labels: none, or mapping (they reach the mapping network, arXiv:2006.06676, appendix F).
        label_dim: number of the data's classes or attributes.
        latent_dim: entries of z.
        style_dim: numbers of a style, >= 1.
        mapping_layers: of the mapping network, >= 1.
        mapping_rate: factor of its learning rate, > 0.
        mixing: chance that an image of training has two styles, [0, 1]: section 3.1.
        decay: of the mean style, in [0, 1).
    """

    truncates = True
    styled_layers: int
    fixed_noise: Tensor | None

    def __init__(
        self,
        labels: str,
        *,
        label_dim: int | None,
        latent_dim: int,
        style_dim: int,
        mapping_layers: int,
        mapping_rate: float,
        mixing: float,
        decay: float,
    ) -> None:
        super().__init__(labels, ways=("mapping",), label_dim=label_dim)
        in_range("style_dim", style_dim, low=1)
        in_range("mapping_layers", mapping_layers, low=1)
        in_range("mapping_rate", mapping_rate, above=0)
        in_range("mixing", mixing, low=0, high=1)
        self.mixing, self.rates = mixing, {"mapping": mapping_rate}
        self.mapping = Mapping(
            latent_dim, style_dim, layers=mapping_layers, label_dim=self.label_dim_if("mapping")
        )
        self.mean_style = MeanStyle(style_dim, decay=decay)
        self.draws: dict[str, tuple[str, int]] = {}
        if mixing > 0:
            self.draws = {
                "other": ("latent", latent_dim),
                "cut": ("uniform", 1),
                "mix": ("uniform", 1),
            }

    def take_noise(self, sizes: Sequence[int], *, wanted: bool) -> None:
        """Let layers of these sizes, in pixels of a side, have noise: drawn anew in training, fixed for samples."""
        self.noise_sizes = list(sizes)
        numbers = sum(size**2 for size in sizes)
        if wanted:
            self.draws["noise"] = ("normal", numbers)
        self.register_buffer("fixed_noise", torch.randn(numbers) if wanted else None)

    def styles(
        self,
        z: Tensor,
        labels: Tensor | None = None,
        *,
        layers: int | None = None,
        truncation: Tensor | None = None,
        **drawn: Tensor,
    ) -> Tensor:
        """Styles (N, layers, style_dim) of latents.

        Args:
            z: latents (N, latent_dim).
            labels: (N, label_dim), where this generator takes them.
            layers: how many; None is all.
            truncation: share (N, 1) of the way from the mean style; None is all of it.
            drawn: what `mixed` reads, with a second latent.
        """
        layers = self.styled_layers if layers is None else layers
        style = self.mapping(z, labels)
        if self.training:
            self.mean_style.look_at(style)
        if truncation is not None:
            style = self.mean_style.truncated(style, truncation)
        if not drawn:
            return style[:, None].expand(-1, layers, -1)
        other, mix = self.mapping(drawn["other"], labels), drawn["mix"] < self.mixing
        return mixed(style, other, drawn["cut"], mix, layers=layers)

    def planes(self, noise: Tensor | None, images: int) -> list[Tensor | None]:
        """The noise of each layer (N, 1, H, W), from numbers (N, n) of all of them; None takes the fixed ones."""
        if self.fixed_noise is None:
            return [None] * len(self.noise_sizes)
        numbers = self.fixed_noise.expand(images, -1) if noise is None else noise
        parts = numbers.split([size**2 for size in self.noise_sizes], dim=1)
        return [
            part.unflatten(1, (1, size, size))
            for part, size in zip(parts, self.noise_sizes, strict=True)
        ]

    def notes(self) -> dict[str, Tensor]:
        """What the last call in training leaves for the engine to average: the mean of its styles."""
        return self.mean_style.notes()
