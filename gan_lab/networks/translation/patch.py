"""PatchGAN: a discriminator that judges each patch of an image by itself, arXiv:1611.07004, section 3.2.2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.networks.layers.planes import begin_small, plane_norm
from gan_lab.networks.layers.spectral import normalise_spectrally
from gan_lab.networks.output import DiscriminatorOutput

SMALLEST = 4  # pixels of a side after all halvings
WIDEST = 8  # times the width: where channels stop growing


class PatchDiscriminator(nn.Module):
    """Convolutions whose every output sees a patch; a patch's side is `receptive_field` pixels.

    Args:
        resolution: side of the images, at least 4 pixels after all halvings.
        channels: of the images.
        layers: halvings, >= 0: 3 see 70 pixels, 2 see 34, 1 sees 16, 0 see 1 (arXiv:1611.07004, appendix 6.1.2).
        width: channels of the first layer, >= 1.
        norm: of planes: instance, batch or none.
        spectral_norm: divide each weight by its spectral norm (arXiv:1802.05957).
        conditional: whether an image is judged together with the image that it was made of.
        source_channels: of the latter; None is as many.
        scales: how many discriminators there are, each on images of half the size of the one before
            (arXiv:1711.11585, section 3.2); their patches count equally.

    Raises:
        ConfigError: where the images are too small for so many halvings.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        layers: int = 3,
        width: int = 64,
        norm: str = "instance",
        spectral_norm: bool = False,
        conditional: bool = True,
        source_channels: int | None = None,
        scales: int = 1,
    ) -> None:
        super().__init__()
        in_range("layers", layers, low=0, high=6)
        in_range("width", width, low=1)
        in_range("scales", scales, low=1)
        if resolution >> (layers + scales - 1) < SMALLEST:
            raise ConfigError(
                f"discriminator.layers={layers}: too many halvings for images of {resolution} pixels; "
                "set fewer."
            )
        self.takes_source = conditional
        self.receptive_field = receptive_field(layers)
        inputs = channels + (source_channels or channels) * conditional
        made = [_judge(inputs, layers=layers, width=width, norm=norm) for _ in range(scales)]
        self.features = nn.ModuleList(features for features, _ in made)
        self.decisions = nn.ModuleList(decision for _, decision in made)
        begin_small(self)
        if spectral_norm:
            normalise_spectrally(self)

    @property
    def offers(self) -> Mapping[str, Any]:
        """What auxiliary terms may read: features, which are means over the places of the first scale, and layers."""
        shown = sum(isinstance(layer, nn.LeakyReLU) for layer in self.features[0].children())
        return {"feature_dim": self.decisions[0].in_channels, "layer_count": shown}

    def forward(self, images: Tensor, *, source: Tensor | None = None) -> DiscriminatorOutput:
        """Judge images (N, C, H, W), with what they were made of: logits (N, patches).

        Args:
            images: in [-1, 1].
            source: (N, source_channels, h, w), enlarged to the images' size where it is smaller.
        """
        if source is not None and self.takes_source:
            if source.shape[2:] != images.shape[2:]:
                source = F.interpolate(source, size=images.shape[2:], mode="nearest")
            images = torch.cat([source, images], dim=1)
        logits: list[Tensor] = []
        layers: list[tuple[Tensor, ...]] = []
        for scale, (encode, decide) in enumerate(zip(self.features, self.decisions, strict=True)):
            layers.append(_layers(encode, F.avg_pool2d(images, 1 << scale) if scale else images))
            found = decide(layers[-1][-1])
            if logits and found.shape != logits[0].shape:
                found = F.interpolate(found, size=logits[0].shape[2:], mode="nearest")
            logits.append(found)
        local = layers[0][-1]
        flat = torch.cat(logits, dim=1).flatten(1)
        return DiscriminatorOutput(flat, local.mean(dim=(2, 3)), local, layers=tuple(layers))


def _layers(encode: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    """What a discriminator's features are behind each of its nonlinearities, the last at the end."""
    found = []
    for layer in encode.children():
        x = layer(x)
        if isinstance(layer, nn.LeakyReLU):
            found.append(x)
    return tuple(found)


def receptive_field(layers: int) -> int:
    """Side, in pixels, of the patch that one output sees."""
    if layers == 0:
        return 1
    side = 1 + 2 * 3  # two convolutions of 4 without a stride
    for _ in range(layers):
        side = (side - 1) * 2 + 4
    return side


def _judge(inputs: int, *, layers: int, width: int, norm: str) -> tuple[nn.Module, nn.Module]:
    """What makes features, and what makes logits of them."""
    bias = norm == "none"  # a mean that is taken off again
    if layers == 0:  # the pixel discriminator
        features: list[nn.Module] = [
            nn.Conv2d(inputs, width, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 1, bias=bias),
        ]
        features += [plane_norm(norm, 2 * width), nn.LeakyReLU(0.2)]
        return nn.Sequential(*features), nn.Conv2d(2 * width, 1, 1)
    found: list[nn.Module] = [nn.Conv2d(inputs, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    before = width
    for level in range(1, layers + 1):
        after, stride = min(width << level, WIDEST * width), 1 if level == layers else 2
        found += [
            nn.Conv2d(before, after, 4, stride=stride, padding=1, bias=bias),
            plane_norm(norm, after),
            nn.LeakyReLU(0.2),
        ]
        before = after
    return nn.Sequential(*found), nn.Conv2d(before, 1, 4, padding=1)
