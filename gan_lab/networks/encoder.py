"""Encoders from images to latents, which play beside a generator.

Adversarial Feature Learning (BiGAN), arXiv:1605.09782, section 3, where an image has one latent, and Adversarially
Learned Inference (ALI), arXiv:1606.00704, section 2.1, where it has a normal distribution of latents. The layers are
those of the project's discriminators of the same names.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.common.ranges import in_range
from gan_lab.networks.dcgan import DcganDiscriminator


class LatentHead(nn.Linear):
    """A linear layer to latents, in float32 whatever the precision of the layers before, as the latents drawn are.

    Args:
        features: F, entries of its input.
        latent_dim: entries of a latent.
        stochastic: whether latents are normally distributed about what it finds, or are what it finds.
    """

    def __init__(self, features: int, latent_dim: int, *, stochastic: bool) -> None:
        super().__init__(features, latent_dim * (2 if stochastic else 1))
        self.stochastic = stochastic

    def forward(self, features: Tensor, noise: Tensor | None = None) -> Tensor:  # type: ignore[override]
        """Map features (N, F) to latents (N, latent_dim).

        Args:
            features: of the images.
            noise: standard normal, (N, latent_dim); without it, or where nothing is stochastic, the mean is returned.
        """
        with torch.autocast(features.device.type, enabled=False):
            found = F.linear(features.to(self.weight.dtype), self.weight, self.bias)
            if not self.stochastic:
                return found
            mean, log_deviation = found.chunk(2, dim=1)
            return mean if noise is None else mean + log_deviation.exp() * noise


class DcganEncoder(nn.Module):
    """Halve the resolution by strided convolutions down to 4x4, then a linear layer to the latent.

    Args:
        resolution: 16, 32, 64, 128, 256 or 512.
        channels: channels of the images, any.
        latent_dim: entries of a latent.
        width: channels of the finest hidden layer, >= 1.
        max_width: most channels of any layer, >= width; None is 8 * width.
        norm: "batch", "layer", "instance" or "none", before each LeakyReLU but the first.
        stochastic: whether an image has a distribution of latents (ALI) or one (BiGAN).
    """

    takes_labels = False

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        latent_dim: int,
        width: int = 64,
        max_width: int | None = None,
        norm: str = "batch",
        stochastic: bool = False,
    ) -> None:
        super().__init__()
        of_images = DcganDiscriminator(
            resolution=resolution, channels=channels, width=width, max_width=max_width, norm=norm
        )
        self.body = of_images.body
        self.head = LatentHead(of_images.feature_dim, latent_dim, stochastic=stochastic)

    def forward(self, images: Tensor, noise: Tensor | None = None) -> Tensor:
        """Map images (N, channels, resolution, resolution), with noise (N, latent_dim) or none, to (N, latent_dim)."""
        return self.head(self.body(images), noise)


class PerceptronEncoder(nn.Module):
    """pixels -> width -> width -> latent, with batch norm behind the second layer, and LeakyReLU: BiGAN's on digits.

    Args:
        resolution: height and width of the images, any.
        channels: channels of the images, any.
        latent_dim: entries of a latent; the paper has 50.
        width: units of each of the two hidden layers, >= 1.
        stochastic: whether an image has a distribution of latents (ALI) or one (BiGAN).
    """

    takes_labels = False

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        latent_dim: int,
        width: int = 1024,
        stochastic: bool = False,
    ) -> None:
        super().__init__()
        in_range("width", width, low=1)
        self.body = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * resolution**2, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, width),
            nn.BatchNorm1d(width),
            nn.LeakyReLU(0.2),
        )
        self.head = LatentHead(width, latent_dim, stochastic=stochastic)

    def forward(self, images: Tensor, noise: Tensor | None = None) -> Tensor:
        """Map images (N, channels, resolution, resolution), with noise (N, latent_dim) or none, to (N, latent_dim)."""
        return self.head(self.body(images), noise)
