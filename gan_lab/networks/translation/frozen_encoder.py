"""An encoder that was trained before and never moves, for games that compare or exchange what it sees in images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from gan_lab.common.ranges import one_of
from gan_lab.perceptual import small, vgg19
from gan_lab.perceptual.distance import NETWORKS, PIXELS, opened, seen

USUAL: Mapping[str, tuple[str, ...]] = {
    # The small network tells colours badly, since it was trained on what things are: the pixels are a layer too. Of its
    # deeper stages images of 64 pixels were hardly found again.
    "small": (PIXELS, *small.STAGES[:2]),
    "vgg19": ("relu1_1", "relu2_1", "relu3_1", "relu4_1"),  # arXiv:1703.06868, section 6
}


class FrozenEncoder(nn.Module):
    """The first layers of a network that tells what images show; they have no parameters of a game.

    Args:
        resolution: side of the images.
        network: small, which ships with the package, or vgg19, whose weights are looked for.
        layers: whose planes are given, the deepest last; `pixels` are the images themselves; None takes the usual ones.
        network_weights: path of vgg19's file; None looks for it.

    Raises:
        ConfigError: if there is no such network or layer, or the images are too small for it.
        WeightsError: if the weights cannot be had, when the first image is seen.
    """

    shows_planes = True

    def __init__(
        self,
        *,
        resolution: int,
        network: str = "small",
        layers: Sequence[str] | None = None,
        network_weights: str | None = None,
    ) -> None:
        super().__init__()
        one_of("network", network, tuple(NETWORKS))
        asked = seen(network, USUAL[network] if layers is None else layers)
        asked.require(resolution)
        self.layers = asked.layers
        one_of("layers", self.layers[-1], NETWORKS[network])  # pixels need no decoder
        self.channels_of = small.channels_of if network == "small" else vgg19.channels_of
        self.halvings_of = small.halvings_of if network == "small" else vgg19.halvings_of
        self.network = opened(network, network_weights, "encoder.network_weights")

    @property
    def offers(self) -> Mapping[str, Any]:
        """What a decoder needs to know of the deepest layer."""
        deepest = self.layers[-1]
        return {
            "encoded_channels": self.channels_of(deepest),
            "encoded_halvings": self.halvings_of(deepest),
        }

    def forward(self, images: Tensor) -> list[Tensor]:
        """Planes (N, C_i, h_i, w_i) of each layer of images (N, 1 or 3, H, W) in [-1, 1]."""
        colours = images.float().expand(-1, 3, -1, -1)
        deep = [layer for layer in self.layers if layer != PIXELS]
        found = dict(zip(deep, self.network(colours, deep), strict=True))
        return [{**found, PIXELS: colours}[layer] for layer in self.layers]
