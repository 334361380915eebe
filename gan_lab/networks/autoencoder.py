"""Autoencoders as discriminators, with the decoder as a generator, for any power-of-two resolution from 16 to 256.

Boundary Equilibrium Generative Adversarial Networks (BEGAN), arXiv:1703.10717, section 3.5 and figure 1: two 3x3
convolutions with ELU at each resolution down to 8x8, with channels that grow linearly, a linear layer to a code and
none behind it. Energy-based GANs (EBGAN), arXiv:1609.03126, section 2, take such a network too. Departures: no skip
connections; the generator ends with a tanh, since images lie in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gan_lab.common.ranges import in_range, one_of
from gan_lab.networks.layers.resample import UpsampleConv
from gan_lab.networks.layers.resolution import doublings
from gan_lab.networks.output import DiscriminatorOutput

COARSEST = 8  # px


class AutoencoderGenerator(nn.Module):
    """The decoder of `AutoencoderDiscriminator` with weights of its own, and tanh at the end.

    Args:
        resolution: 16, 32, 64, 128, 256 or 512.
        channels: channels of the images, any.
        latent_dim: entries of z; the paper has 64, uniform.
        width: channels of every hidden layer, >= 1.
    """

    takes_labels = False

    def __init__(self, *, resolution: int, channels: int, latent_dim: int, width: int = 64) -> None:
        super().__init__()
        in_range("width", width, low=1)
        self.layers = nn.Sequential(
            *_decoder(latent_dim, width, channels=channels, resolution=resolution), nn.Tanh()
        )
        self.apply(_init_weights)

    def forward(self, z: Tensor) -> Tensor:
        """Map z (N, latent_dim) to images (N, channels, resolution, resolution) in [-1, 1]."""
        images: Tensor = self.layers(z)
        return images


class AutoencoderDiscriminator(nn.Module):
    """Judges an image by how badly it is reconstructed: the logit is minus the mean error of a pixel.

    Args:
        resolution: 16, 32, 64, 128, 256 or 512.
        channels: channels of the images, any.
        width: channels at the finest resolution, >= 1; the encoder has twice, three times ... as many at half,
            a quarter ... of it, the decoder `width` everywhere.
        code: numbers that stand for an image between encoder and decoder, >= 1; the features.
        error: "absolute" or "squared"; BEGAN, eq. 1 with exponent 1 or 2.
    """

    takes_labels = False

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        width: int = 64,
        code: int = 64,
        error: str = "absolute",
    ) -> None:
        super().__init__()
        in_range("width", width, low=1)
        in_range("code", code, low=1)
        one_of("error", error, ("absolute", "squared"))
        self.error = error
        self.feature_dim = code
        self.encoder = nn.Sequential(
            *_encoder(code, width, channels=channels, resolution=resolution)
        )
        self.decoder = nn.Sequential(
            *_decoder(code, width, channels=channels, resolution=resolution)
        )
        self.apply(_init_weights)

    @property
    def offers(self) -> Mapping[str, Any]:
        """What constructors of later parts may ask for by name."""
        return {"feature_dim": self.feature_dim}

    def reconstruct(self, images: Tensor) -> Tensor:
        """Map images (N, channels, resolution, resolution) to what the code keeps of them, unbounded."""
        return self._decoded(self.encoder(images))

    def _decoded(self, code: Tensor) -> Tensor:
        images: Tensor = self.decoder(code)
        return images

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        """Judge images (N, channels, resolution, resolution): logits in (-inf, 0], features are the code (N, code)."""
        code = self.encoder(images)
        difference = _fine(self._decoded(code)) - _fine(images)
        errors = difference.abs() if self.error == "absolute" else difference.square()
        return DiscriminatorOutput(-errors.mean(dim=(1, 2, 3)), code)


def _levels(resolution: int) -> int:
    """How many resolutions there are from 8 px to this one, such as 3 for 32."""
    return doublings(resolution, "autoencoder")


def _encoder(code: int, width: int, *, channels: int, resolution: int) -> list[nn.Module]:
    """Two convolutions at each resolution, the second with a stride of 2 but at 8x8, and a linear layer."""
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.ELU()]
    inputs, levels = width, _levels(resolution)
    for level in range(1, levels + 1):
        outputs = width * level
        stride = 2 if level < levels else 1
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ELU()]
        layers += [nn.Conv2d(outputs, outputs, 3, stride=stride, padding=1), nn.ELU()]
        inputs = outputs
    return [*layers, nn.Flatten(), nn.Linear(inputs * COARSEST**2, code)]


def _decoder(code: int, width: int, *, channels: int, resolution: int) -> list[nn.Module]:
    """A linear layer to 8x8, two convolutions at each resolution, of which the first doubles it, and one to pixels."""
    layers: list[nn.Module] = [
        nn.Linear(code, width * COARSEST**2),
        nn.Unflatten(1, (width, COARSEST, COARSEST)),
    ]
    for level in range(_levels(resolution)):
        first = UpsampleConv(width, width) if level else nn.Conv2d(width, width, 3, padding=1)
        layers += [first, nn.ELU(), nn.Conv2d(width, width, 3, padding=1), nn.ELU()]
    return [*layers, nn.Conv2d(width, channels, 3, padding=1)]


def _init_weights(module: nn.Module) -> None:
    """Draw weights uniformly with variance 2 / (fan in + fan out); biases are 0. The paper does not say."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _fine(x: Tensor) -> Tensor:
    """In float32 or finer: errors of reals and fakes nearly cancel in a loss."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
