"""LPIPS of translations and their true images, pair by pair, on a held-out split."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torchmetrics.functional.image.lpips import _LPIPS
from torchvision.models import AlexNet_Weights, SqueezeNet1_1_Weights, VGG16_Weights

from gan_lab.common.errors import ConfigError, WeightsError
from gan_lab.common.ranges import one_of
from gan_lab.metrics.paired import Pairwise
from gan_lab.metrics.views import Reals
from gan_lab.process.progress import phase
from gan_lab.storage.weights import Published, find

OPTION = "metrics.lpips.network_weights"


class Backbone(NamedTuple):
    """A network whose features LPIPS compares.

    Attributes:
        published: its weights.
        smallest: pixels of a side that it can see, at least.
    """

    published: Published
    smallest: int


def _backbone(what: str, url: str, smallest: int) -> Backbone:
    return Backbone(Published(what, url, url.rpartition("-")[2].partition(".")[0]), smallest)


BACKBONES: Mapping[str, Backbone] = {
    "alex": _backbone("AlexNet", AlexNet_Weights.IMAGENET1K_V1.url, 31),
    "vgg": _backbone("VGG16", VGG16_Weights.IMAGENET1K_V1.url, 16),
    "squeeze": _backbone("SqueezeNet 1.1", SqueezeNet1_1_Weights.IMAGENET1K_V1.url, 17),
}


class Lpips(Pairwise):
    """The learned distance of images, arXiv:1801.03924, version 0.1; lower is better.

    torchmetrics' network with its linear heads, on torchvision's weights of ImageNet, which are looked for. Grey images
    are repeated to three channels, and images keep their size.

    Args:
        every_kimg: evaluate when so many thousand training images were seen; 0 for the end only.
        num_samples: pairs of the split, at most.
        network: alex, vgg or squeeze.
        network_weights: path of that network's file; None looks for it.
    """

    key = "metric/lpips"
    net: nn.Module
    known: ClassVar[tuple[str, ...]] = tuple(BACKBONES)

    def __init__(
        self,
        *,
        every_kimg: float = 10,
        num_samples: int = 500,
        network: str = "alex",
        network_weights: str | None = None,
    ) -> None:
        super().__init__(every_kimg=every_kimg, num_samples=num_samples)
        one_of("network", network, self.known)
        self.network, self.network_weights = network, network_weights

    def open(self, reals: Reals) -> dict[str, Any]:
        """Find the weights and build the network."""
        side, backbone = min(reals.images.images.shape[2:]), BACKBONES[self.network]
        if side < backbone.smallest:
            raise ConfigError(
                f"metrics.lpips.network={self.network}: sees images of {backbone.smallest} pixels or more, and these "
                f"have {side}; choose another of {', '.join(self.known)}, or metrics=paired."
            )
        with phase(f"Looking for the weights of {backbone.published.what}"):
            found = find(
                backbone.published,
                self.network_weights,
                option=OPTION,
                instead="use metrics=paired",
            )
        try:
            self.net = lpips_network(self.network, found.state).to(reals.device)
        except KeyError as error:
            raise WeightsError(
                f"{found.path} holds the weights of another network; set {OPTION}= to {backbone.published.file}."
            ) from error
        published = found.sha256.startswith(backbone.published.sha256)
        return {
            "lpips": f"{self.network}, version 0.1, torchmetrics {version('torchmetrics')}",
            "lpips_backbone": f"torchvision's {backbone.published.what} of ImageNet"
            if published
            else f"{backbone.published.what} of an unknown file",
            "lpips_backbone_sha256": found.sha256,
        }

    def compared(self, made: Tensor, true: Tensor) -> dict[str, Tensor]:
        """The distance (N,)."""
        own, other = (images.expand(-1, 3, -1, -1) * 2 - 1 for images in (made, true))
        return {self.key: self.net(own, other).flatten()}


def lpips_network(name: str, state: Mapping[str, Tensor]) -> nn.Module:
    """Torchmetrics' network: images (N, 3, H, W) in [-1, 1] twice, to distances (N, 1, 1, 1).

    Args:
        name: alex, vgg or squeeze.
        state: weights of torchvision's network of that name.

    Raises:
        KeyError: if weights are missing, or have another shape.
    """
    with torch.random.fork_rng(devices=[]):  # building draws weights that are then replaced
        net = _LPIPS(pretrained=True, net=name, pnet_rand=True)  # type: ignore[arg-type]
    own = net.net.state_dict()
    taken = {key: state[re.sub(r"^slices?\.?\d+\.", "features.", key)] for key in own}
    for key, value in taken.items():
        if value.shape != own[key].shape:
            raise KeyError(key)
    net.net.load_state_dict(taken)
    return net.requires_grad_(False).eval()
