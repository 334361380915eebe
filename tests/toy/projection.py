"""Networks of a projection GAN, as somebody outside gan_lab writes them: cGANs with Projection Discriminator.

arXiv:1802.05637. They are parts for the game that gan_lab has: labels reach whatever network says that it takes them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.common.ranges import in_range
from gan_lab.networks.output import DiscriminatorOutput

SIDE = 4  # of the first planes of a generator, and of the last ones of a discriminator


class ConditionalNorm(nn.Module):
    """Gain and bias by label behind a normalisation, arXiv:1610.07629, eq. 5.

    The statistics are each image's own, where the paper of the projection has those of the batch.

    Args:
        channels: C of what is normalised.
        label_dim: number of classes or attributes.
    """

    def __init__(self, channels: int, label_dim: int) -> None:
        super().__init__()
        self.gain = nn.Linear(label_dim, channels)
        self.bias = nn.Linear(label_dim, channels, bias=False)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Map planes (N, C, H, W) and labels (N, label_dim) to planes."""
        gain, bias = (1 + self.gain(labels)), self.bias(labels)
        return gain[:, :, None, None] * F.group_norm(x, 1) + bias[:, :, None, None]


class ConditionalGenerator(nn.Module):
    """Latents to images, with the label in every normalisation: arXiv:1802.05637, section 4.

    Args:
        resolution: side of the images, 4 times a power of 2.
        channels: of the images.
        latent_dim: numbers of a latent.
        label_dim: number of classes or attributes; data without labels is refused.
        width: channels inside, >= 1.
    """

    takes_labels = True

    def __init__(
        self, *, resolution: int, channels: int, latent_dim: int, label_dim: int, width: int = 32
    ) -> None:
        super().__init__()
        in_range("width", width, low=1)
        stages = (resolution // SIDE).bit_length() - 1
        self.first = nn.Linear(latent_dim, width * SIDE**2)
        self.norms = nn.ModuleList(ConditionalNorm(width, label_dim) for _ in range(stages + 1))
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(stages))
        self.last = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Map z (N, latent_dim) and labels (N, label_dim) to images (N, C, H, W) in [-1, 1]."""
        x = self.first(z).unflatten(1, (-1, SIDE, SIDE))
        for norm, conv in zip(self.norms, self.convs, strict=False):
            x = conv(F.interpolate(norm(x, labels).relu(), scale_factor=2))
        return self.last(self.norms[-1](x, labels).relu()).tanh()


class ProjectionDiscriminator(nn.Module):
    """A judge that compares an image's features with a vector of its label: arXiv:1802.05637, eq. 3.

    Args:
        resolution: side of the images, 4 times a power of 2.
        channels: of the images.
        label_dim: number of classes or attributes; data without labels is refused.
        width: channels inside, >= 1.
    """

    takes_labels = True

    def __init__(self, *, resolution: int, channels: int, label_dim: int, width: int = 32) -> None:
        super().__init__()
        in_range("width", width, low=1)
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.LeakyReLU(0.2)]
        for _ in range((resolution // SIDE).bit_length() - 1):
            layers += [nn.Conv2d(width, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*layers)
        self.plain = nn.Linear(width, 1)
        self.vectors = nn.Parameter(torch.randn(label_dim, width) / width**0.5)

    def forward(self, images: Tensor, labels: Tensor) -> DiscriminatorOutput:
        """Judge images (N, C, H, W) as ones of labels (N, label_dim): y^T V phi(x) + psi(phi(x))."""
        features = self.features(images).sum(dim=(2, 3)).float()
        logits = self.plain(features).squeeze(1) + ((labels @ self.vectors) * features).sum(dim=1)
        return DiscriminatorOutput(logits, features)
