"""How far apart two images look: distances between the features of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range, one_of
from gan_lab.perceptual import vgg19
from gan_lab.perceptual.frozen import Frozen
from gan_lab.perceptual.small import STAGES, small_network

PIXELS = "pixels"  # the images themselves, as one more layer
NETWORKS: Mapping[str, tuple[str, ...]] = {"small": STAGES, "vgg19": tuple(vgg19.PLACES)}
USUAL = {"small": (*STAGES, PIXELS), "vgg19": ("relu5_4",)}
KINDS = ("unit", "l1", "l2")


class Seen(NamedTuple):
    """What a network is asked for.

    Attributes:
        network: small or vgg19.
        layers: names of them.
        weights: of each.
    """

    network: str
    layers: tuple[str, ...]
    weights: tuple[float, ...]

    @property
    def smallest(self) -> int:
        """Pixels of a side that an image has at least."""
        deep = [name for name in self.layers if name != PIXELS]
        return vgg19.smallest(deep) if self.network == "vgg19" and deep else 8

    def require(self, side: int) -> None:
        """Raise ConfigError where images with so many pixels at their shorter side are too small."""
        if side < self.smallest:
            raise ConfigError(
                f"layers={[*self.layers]}: see images of {self.smallest} pixels or more, and these have {side}; choose "
                "earlier layers."
            )


def seen(
    network: str, layers: Sequence[str] | None = None, weights: Sequence[float] | None = None
) -> Seen:
    """Check what people ask a network for.

    Args:
        network: small or vgg19.
        layers: names; None takes the usual ones.
        weights: one for each layer, >= 0; None counts all alike.

    Raises:
        ConfigError: if there is no such network or layer, or not a weight for each.
    """
    one_of("network", network, tuple(NETWORKS))
    chosen = USUAL[network] if layers is None else tuple(layers)
    if not chosen or len(set(chosen)) < len(chosen):
        raise ConfigError(f"layers={[*chosen]}: must name at least one layer, and each once.")
    for layer in chosen:
        one_of("layers", layer, (*NETWORKS[network], PIXELS))
    each = (1.0,) * len(chosen) if weights is None else tuple(weights)
    if len(each) != len(chosen):
        raise ConfigError(f"layer_weights={[*each]}: there are {len(chosen)} layers; give as many.")
    for weight in each:
        in_range("layer_weights", weight, low=0)
    return Seen(network, chosen, each)


def opened(network: str, path: str | None, option: str) -> Frozen:
    """A network that looks at images; the small one is there at once, another when it is first wanted.

    Args:
        network: small or vgg19.
        path: of a file of weights, for vgg19; None looks for it.
        option: how people set that path, such as auxiliary.perceptual.network_weights.
    """
    if network == "small":
        found = Frozen(small_network)
        found.open()
        return found
    instead = f"{option.rpartition('.')[0]}.network=small"
    return Frozen(partial(vgg19.vgg19, path, option, f"set {instead}"))


class PerceptualDistance(nn.Module):
    """Distances of images by the features of a network, layer by layer.

    `unit` is arXiv:1801.03924, eq. 1 with all weights of channels 1: squared distances of unit-length features at each
    place. `l2` is the mean squared difference of features (arXiv:1609.04802, eq. 5), `l1` the mean absolute one
    (arXiv:1711.11585, section 3.3, and arXiv:1809.00219).

    The small network is the project's own, which `scripts/train_perceptual.py` made, so its values compare with values
    of the same name only, never with published ones. Its usual layers are its four stages and the pixels themselves.

    Args:
        network: small, or vgg19, whose weights are looked for.
        layers: of the network, such as relu5_4; None takes its usual ones.
        layer_weights: of each layer.
        distance: unit, l1 or l2.
        network_weights: path of vgg19's file.
        option: how people set that path.

    Raises:
        ConfigError: if a name is not known.
    """

    def __init__(
        self,
        *,
        network: str = "small",
        layers: Sequence[str] | None = None,
        layer_weights: Sequence[float] | None = None,
        distance: str = "unit",
        network_weights: str | None = None,
        option: str = "network_weights",
    ) -> None:
        super().__init__()
        one_of("distance", distance, KINDS)
        self.seen, self.kind = seen(network, layers, layer_weights), distance
        self.network = opened(network, network_weights, option)

    @property
    def name(self) -> str:
        """Of the network and of what is asked of it; stands beside every number that it gave."""
        named = str(self.network.open().name)
        if self.seen == seen("small") and self.kind == "unit":
            return named
        each = zip(self.seen.layers, self.seen.weights, strict=True)
        told = ", ".join(layer if weight == 1 else f"{weight:g} {layer}" for layer, weight in each)
        return f"{named}, {self.kind} of {told}"

    @property
    def sha256(self) -> str:
        """Of the file of weights."""
        return str(self.network.open().sha256)

    def features(self, images: Tensor) -> list[Tensor]:
        """Maps of images (N, C, H, W) in [-1, 1], C 1 or 3, of each layer; in `unit` each place has length 1.

        Pixels keep their length.

        Raises:
            ValueError: if C is neither 1 nor 3, or a side has too few pixels.
        """
        least = self.seen.smallest
        if images.shape[1] not in (1, 3) or min(images.shape[2:]) < least:
            raise ValueError(
                f"expected images (N, 1 or 3, >= {least}, >= {least}), got {tuple(images.shape)}"
            )
        colours = images.float().expand(-1, 3, -1, -1)
        deep = [name for name in self.seen.layers if name != PIXELS]
        maps = dict(zip(deep, self.network(colours, deep) if deep else [], strict=True))
        if self.kind == "unit":
            maps = {name: F.normalize(map_, dim=1) for name, map_ in maps.items()}
        return [{**maps, PIXELS: colours}[name] for name in self.seen.layers]

    def forward(self, images: Tensor, others: Tensor) -> Tensor:
        """Distances (N,) >= 0 of images (N, C, H, W) in [-1, 1] and as many others; 0 for equal ones."""
        return self.between(self.features(images), self.features(others))

    def between(self, features: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
        """Distances (N,) of what `features` gave for images and for others, or for one other (1, ...)."""
        stages = [self._of(own, other) for own, other in zip(features, others, strict=True)]
        if set(self.seen.weights) != {1.0}:
            stages = [w * one for w, one in zip(self.seen.weights, stages, strict=True)]
        return torch.stack(stages).sum(dim=0)

    def _of(self, own: Tensor, other: Tensor) -> Tensor:
        """The distance (N,) of one layer's maps."""
        if self.kind == "unit":
            return (own - other).square().sum(dim=1).mean(dim=(1, 2))
        difference = own.float() - other.float()
        of_each = difference.abs() if self.kind == "l1" else difference.square()
        return of_each.mean(dim=(1, 2, 3))
