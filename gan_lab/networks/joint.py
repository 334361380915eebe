"""Discriminators of pairs: an image together with a latent.

Adversarial Feature Learning (BiGAN), arXiv:1605.09782, section 3, and Adversarially Learned Inference (ALI),
arXiv:1606.00704, section 2.1. Image and latent each have layers of their own, whose features a few layers join.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.networks.dcgan import DcganDiscriminator
from gan_lab.networks.labelled import LabelledDiscriminator
from gan_lab.networks.layers.head import LogitHead
from gan_lab.networks.layers.spectral import normalise_spectrally
from gan_lab.networks.output import DiscriminatorOutput

NO_LATENTS = (
    "discriminator: judges images together with their latents, which this model does not give it; choose another, "
    "such as discriminator=dcgan."
)


class JointDiscriminator(LabelledDiscriminator):
    """What discriminators of pairs share: they differ in the layers from an image to its features.

    Args:
        image_dim: entries of an image's features.
        latent_dim: entries of a latent.
        hidden: units of each layer over the latent and over the pair, >= 1.
        labels: "none", "beside" the image or "projection".
        label_dim: number of the data's classes or attributes.
    """

    takes_latents = True
    body: nn.Module

    def __init__(
        self, *, image_dim: int, latent_dim: int, hidden: int, labels: str, label_dim: int | None
    ) -> None:
        super().__init__(labels, label_dim=label_dim, feature_dim=hidden)
        in_range("hidden", hidden, low=1)
        self.of_latent = nn.Sequential(*_layer(latent_dim, hidden), *_layer(hidden, hidden))
        self.of_pair = nn.Sequential(*_layer(image_dim + hidden, hidden))
        self.head = LogitHead(hidden, self.label_dim_if("projection"))

    def forward(
        self, images: Tensor, labels: Tensor | None = None, *, z: Tensor | None = None
    ) -> DiscriminatorOutput:
        """Judge images (N, channels, resolution, resolution) with their latents z (N, latent_dim).

        Raises:
            ConfigError: if a game gives no latents.
        """
        if z is None:
            raise ConfigError(NO_LATENTS)
        image = self.body(self.beside(images, labels))
        latent = self.of_latent(z)
        features = self.of_pair(torch.cat([image, latent.to(image.dtype)], dim=1))
        return DiscriminatorOutput(self.head(features, labels), features)


class DcganJointDiscriminator(JointDiscriminator):
    """The convolutions of the DCGAN's discriminator over the image, two layers over the latent, one over both, a logit.

    Args:
        resolution: 16, 32, 64, 128, 256 or 512.
        channels: channels of the images, any.
        latent_dim: entries of a latent.
        width: channels of the finest hidden layer, >= 1.
        max_width: most channels of any layer, >= width; None is 8 * width.
        hidden: units of each layer over the latent and over the pair; None is 8 * width.
        norm: "batch", "layer", "instance" or "none", before each LeakyReLU over the image but the first.
        dropout: chance that an activation over the image is dropped, [0, 1).
        spectral_norm: divide each weight by its spectral norm, arXiv:1802.05957.
        labels: none, beside (they are more planes of the image) or projection (arXiv:1802.05637, eq. 3).
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
        hidden: int | None = None,
        norm: str = "batch",
        dropout: float = 0.0,
        spectral_norm: bool = False,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        planes = (label_dim or 0) if labels == "beside" else 0
        of_images = DcganDiscriminator(
            resolution=resolution,
            channels=channels + planes,
            width=width,
            max_width=max_width,
            norm=norm,
            dropout=dropout,
        )
        super().__init__(
            image_dim=of_images.feature_dim,
            latent_dim=latent_dim,
            hidden=8 * width if hidden is None else hidden,
            labels=labels,
            label_dim=label_dim,
        )
        self.body = of_images.body
        if spectral_norm:
            normalise_spectrally(self)


class PerceptronJointDiscriminator(JointDiscriminator):
    """pixels -> width, two layers over the latent, one over both, a logit, with LeakyReLU between: for digits.

    Args:
        resolution: height and width of the images, any.
        channels: channels of the images, any.
        latent_dim: entries of a latent.
        width: units of each layer, >= 1; the paper has 1024.
        labels: none, beside (they are more entries beside the pixels) or projection (arXiv:1802.05637, eq. 3).
        label_dim: number of the data's classes or attributes.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        latent_dim: int,
        width: int = 1024,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        in_range("width", width, low=1)
        super().__init__(
            image_dim=width, latent_dim=latent_dim, hidden=width, labels=labels, label_dim=label_dim
        )
        pixels = channels * resolution**2
        self.body = nn.Sequential(nn.Flatten(), *_layer(pixels + self.beside_dim, width))

    def beside(self, x: Tensor, labels: Tensor | None, *, flat: bool = True) -> Tensor:
        """Put labels behind the pixels where this is how they are read; they become vectors."""
        return super().beside(x, labels, flat=flat)


def _layer(inputs: int, units: int) -> list[nn.Module]:
    return [nn.Linear(inputs, units), nn.LeakyReLU(0.2)]
