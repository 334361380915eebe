"""The perceptrons of most introductions to GANs: layers that widen to the image and narrow to the logit.

No paper has them; the generator's 128-256-512-1024 units and the discriminator's 512-256 are what tutorials repeat.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from gan_lab.common.ranges import in_range
from gan_lab.networks.labelled import LabelledDiscriminator, LabelledNetwork
from gan_lab.networks.layers.head import LogitHead
from gan_lab.networks.output import DiscriminatorOutput


class PerceptronGenerator(LabelledNetwork):
    """z -> width/8 -> width/4 -> width/2 -> width -> pixels, with ReLU between and tanh at the end.

    Args:
        resolution: height and width of the images, any.
        channels: channels of the images, any.
        latent_dim: entries of z.
        width: units of the last hidden layer, >= 1; those before have an eighth, a quarter
            and half of them, at least 8.
        labels: none or beside (they are more entries of z, arXiv:1411.1784).
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
        super().__init__(labels, ways=("beside",), label_dim=label_dim)
        in_range("width", width, low=1)
        hidden: list[nn.Module] = []
        widths = [max(width // part, 8) for part in (8, 4, 2)]
        for inputs, units in pairwise([latent_dim + self.beside_dim, *widths, width]):
            hidden += [nn.Linear(inputs, units), nn.ReLU()]
        self.layers = nn.Sequential(
            *hidden,
            nn.Linear(width, channels * resolution**2),
            nn.Tanh(),
            nn.Unflatten(1, (channels, resolution, resolution)),
        )

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map z (N, latent_dim) to images (N, channels, resolution, resolution) in [-1, 1]."""
        return self.layers(self.beside(z, labels))


class PerceptronDiscriminator(LabelledDiscriminator):
    """pixels -> width -> width/2 -> logit, with LeakyReLU between.

    Args:
        resolution: height and width of the images, any.
        channels: channels of the images, any.
        width: units of the first hidden layer, >= 1; the second has half of them.
        slope: of LeakyReLU below zero, [0, 1].
        labels: none, beside (they are more pixels, arXiv:1411.1784) or projection
            (arXiv:1802.05637, eq. 3).
        label_dim: number of the data's classes or attributes.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        width: int = 512,
        slope: float = 0.2,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        narrow = max(width // 2, 1)
        super().__init__(labels, label_dim=label_dim, feature_dim=narrow)
        in_range("width", width, low=1)
        in_range("slope", slope, low=0, high=1)
        self.body = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * resolution**2 + self.beside_dim, width),
            nn.LeakyReLU(slope),
            nn.Linear(width, narrow),
            nn.LeakyReLU(slope),
        )
        self.head = LogitHead(narrow, self.label_dim_if("projection"))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Judge images (N, channels, resolution, resolution); features are (N, width / 2)."""
        features = self.body(self.beside(images, labels, flat=True))
        return DiscriminatorOutput(self.head(features, labels), features)
