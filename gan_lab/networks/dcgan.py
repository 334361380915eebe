"""DCGAN's convolutional networks, for any power-of-two resolution from 16 to 256.

Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks,
arXiv:1511.06434, section 3 and figure 1. Departures: 4x4 filters (the paper's are 5x5), which
divide evenly into strides of 2; the discriminator's norm can be left out or exchanged, as
gradient penalties need.

Hidden layers lie at 4, 8, ..., resolution / 2 px. The finest has `width` channels, and each step
towards 4 px doubles them up to `max_width`: 64-128-256-512 at 64 px by default, the size that
most code calls DCGAN; `width=128` gives the 128-256-512-1024 of the paper's figure.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from gan_lab.common.ranges import in_range, one_of
from gan_lab.networks.labelled import LabelledDiscriminator, LabelledNetwork
from gan_lab.networks.layers.head import LogitHead
from gan_lab.networks.layers.labels import LabelledSequential
from gan_lab.networks.layers.norm import ConditionalBatchNorm2d, norm2d
from gan_lab.networks.layers.resolution import doublings
from gan_lab.networks.layers.spectral import normalise_spectrally
from gan_lab.networks.output import DiscriminatorOutput


class DcganGenerator(LabelledNetwork):
    """Project z to 4x4, then double the resolution by transposed convolutions; tanh at the end.

    Args:
        resolution: 16, 32, 64, 128, 256 or 512.
        channels: channels of the images, any.
        latent_dim: entries of z; the paper has 100.
        width: channels of the finest hidden layer, >= 1.
        max_width: most channels of any layer, >= width; None is 8 * width.
        norm: "batch" or "none", before each ReLU.
        dropout: chance that an activation is dropped after each ReLU, [0, 1); the paper has 0.
        labels: none, beside (they are more entries of z, arXiv:1411.1784) or norm (conditional batch
            norm, arXiv:1610.07629).
        label_dim: number of the data's classes or attributes.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        latent_dim: int,
        width: int = 64,
        max_width: int | None = None,
        norm: str = "batch",
        dropout: float = 0.0,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        super().__init__(labels, ways=("beside", "norm"), label_dim=label_dim)
        one_of("norm", norm, ("batch", "none"))
        in_range("dropout", dropout, low=0, below=1)
        widths = _widths(resolution, width=width, max_width=max_width)
        # A norm takes away the mean of each channel, and with it any bias before the norm.
        bias = norm == "none"
        deep = self.label_dim_if("norm")

        def activation(channels: int) -> list[nn.Module]:
            return _activation(nn.ReLU(), channels, norm=norm, dropout=dropout, label_dim=deep)

        layers: list[nn.Module] = [
            nn.Linear(latent_dim + self.beside_dim, widths[0] * 16, bias=bias),
            nn.Unflatten(1, (widths[0], 4, 4)),
            *activation(widths[0]),
        ]
        for coarse, fine in pairwise(widths):
            layers.append(nn.ConvTranspose2d(coarse, fine, 4, stride=2, padding=1, bias=bias))
            layers += activation(fine)
        layers.append(nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1))
        self.layers = LabelledSequential(*layers, nn.Tanh())
        self.apply(_init_weights)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map z (N, latent_dim) to images (N, channels, resolution, resolution) in [-1, 1]."""
        return self.layers(self.beside(z, labels), labels)


class DcganDiscriminator(LabelledDiscriminator):
    """Halve the resolution by strided convolutions down to 4x4, then one logit.

    Args:
        resolution: 16, 32, 64, 128, 256 or 512.
        channels: channels of the images, any.
        width: channels of the finest hidden layer, >= 1.
        max_width: most channels of any layer, >= width; None is 8 * width.
        norm: "batch", "layer", "instance" or "none", before each LeakyReLU but the first.
        dropout: chance that an activation is dropped after each LeakyReLU, [0, 1); the paper has 0.
        spectral_norm: divide each weight by its spectral norm, arXiv:1802.05957.
        labels: none, beside (they are more planes of the image, arXiv:1411.1784) or projection
            (arXiv:1802.05637, eq. 3).
        label_dim: number of the data's classes or attributes.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        width: int = 64,
        max_width: int | None = None,
        norm: str = "batch",
        dropout: float = 0.0,
        spectral_norm: bool = False,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        widths = _widths(resolution, width=width, max_width=max_width)[::-1]
        super().__init__(
            labels, label_dim=label_dim, feature_dim=widths[-1] * 16, local_dim=widths[-1]
        )
        one_of("norm", norm, ("batch", "layer", "instance", "none"))
        in_range("dropout", dropout, low=0, below=1)
        layers: list[nn.Module] = [
            nn.Conv2d(channels + self.beside_dim, widths[0], 4, stride=2, padding=1),
            *_activation(nn.LeakyReLU(0.2), widths[0], norm="none", dropout=dropout),
        ]
        for fine, coarse in pairwise(widths):
            bias = norm == "none"  # as in the generator
            layers.append(nn.Conv2d(fine, coarse, 4, stride=2, padding=1, bias=bias))
            layers += _activation(nn.LeakyReLU(0.2), coarse, norm=norm, dropout=dropout)
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.head = LogitHead(self.feature_dim, self.label_dim_if("projection"))
        self.apply(_init_weights)
        if spectral_norm:
            normalise_spectrally(self)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Judge images (N, channels, resolution, resolution); features are the layer at 4 px."""
        features = self.body(self.beside(images, labels))
        places = features.unflatten(1, (-1, 4, 4))
        return DiscriminatorOutput(self.head(features, labels), features, places)


def _widths(resolution: int, *, width: int, max_width: int | None) -> list[int]:
    """Return the channels of the hidden layers at 4, 8, ..., resolution / 2 px."""
    in_range("width", width, low=1)
    if max_width is None:
        max_width = 8 * width
    in_range("max_width", max_width, low=width)
    return [min(width * 2**i, max_width) for i in reversed(range(doublings(resolution, "dcgan")))]


def _activation(
    nonlinearity: nn.Module,
    channels: int,
    *,
    norm: str,
    dropout: float,
    label_dim: int | None = None,
) -> list[nn.Module]:
    """Return norm, nonlinearity and dropout, those that are asked for."""
    plain = norm == "none" and label_dim is None
    layers = [] if plain else [norm2d(norm, channels, label_dim)]
    layers.append(nonlinearity)
    return [*layers, nn.Dropout(dropout)] if dropout else layers


def _init_weights(module: nn.Module) -> None:
    """Draw weights from N(0, 0.02), section 4, and gains of batch norms from N(1, 0.02)."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, ConditionalBatchNorm2d):
        for gain in module.gains.parameters():  # beside 1
            nn.init.normal_(gain, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
