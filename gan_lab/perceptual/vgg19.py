"""VGG19, the network whose features papers compare images by: arXiv:1409.1556, trained on ImageNet."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models import VGG19_Weights
from torchvision.models.vgg import cfgs, make_layers

from gan_lab.common.errors import WeightsError
from gan_lab.process.progress import phase
from gan_lab.storage.weights import Published, find

URL = VGG19_Weights.IMAGENET1K_V1.url
PUBLISHED = Published("VGG19", URL, URL.rpartition("-")[2].partition(".")[0])
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels in [0, 1]


def _places() -> dict[str, int]:
    """Numbers of the layers in torchvision's network by the names that papers use: conv5_4, and relu5_4 behind it."""
    found: dict[str, int] = {}
    block, number, place = 1, 1, 0
    for entry in cfgs["E"]:
        if entry == "M":
            block, number, place = block + 1, 1, place + 1
            continue
        found |= {f"conv{block}_{number}": place, f"relu{block}_{number}": place + 1}
        number, place = number + 1, place + 2
    return found


PLACES = _places()


def smallest(layers: Sequence[str]) -> int:
    """Pixels of a side, at least, that these layers can see: each block but the first halves it."""
    return 1 << max(map(halvings_of, layers))


def channels_of(layer: str) -> int:
    """Planes that a layer gives."""
    widths = [entry for entry in cfgs["E"] if entry != "M"]
    return int(
        widths[[name for name in PLACES if name.startswith("conv")].index(f"conv{layer[4:]}")]
    )


def halvings_of(layer: str) -> int:
    """How often a layer's planes are halved."""
    return int(layer[4]) - 1


class Vgg19(nn.Module):
    """The convolutions of VGG19.

    Args:
        state: weights as torchvision names them; those of the classifier are left out.
        sha256: of their file.

    Attributes:
        name: tells whether the file is the published one.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, state: dict[str, Tensor], sha256: str) -> None:
        super().__init__()
        known = sha256.startswith(PUBLISHED.sha256)
        self.name = "torchvision's VGG19 of ImageNet" if known else "VGG19 of an unknown file"
        self.sha256 = sha256
        self.features = make_layers(cfgs["E"])
        own = {key: value for key, value in state.items() if key.startswith("features.")}
        self.load_state_dict(own)
        for module in self.features:
            if isinstance(module, nn.ReLU):
                module.inplace = False  # what stands before it may be asked for
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """Maps (N, C, h, w) of these layers of images (N, 3, H, W) in [-1, 1]."""
        wanted = {PLACES[name]: name for name in layers}
        x = ((images + 1) / 2 - self.mean) / self.std
        found = {}
        for place in range(max(wanted) + 1):
            x = self.features[place](x)
            if place in wanted:
                found[wanted[place]] = x
        return [found[name] for name in layers]


def vgg19(path: str | None, option: str, instead: str) -> Vgg19:
    """The network with its weights.

    Args:
        path: of the file of weights; None looks for it.
        option: how people set that.
        instead: what would do without it, for a sentence.

    Raises:
        WeightsError: if there are none, or the file is of another network.
    """
    with phase("Looking for VGG19's weights (548 MB)"):
        found = find(PUBLISHED, path, option=option, instead=instead)
    try:
        return Vgg19(found.state, found.sha256)
    except RuntimeError as error:
        raise WeightsError(
            f"{found.path} holds the weights of another network; set {option}= to {PUBLISHED.file}."
        ) from error
