"""The multilayer perceptrons of the first GAN.

Generative Adversarial Networks, arXiv:1406.2661, section 5; sizes, dropout and initial weights
from the authors' recipe (goodfeli/adversarial, mnist.yaml). Departures: the paper's sigmoid and
pixels in [0, 1] are a tanh and [-1, 1] here; the output's bias starts at 0, not at the marginals
of the training set; there is no cap on the columns' norms.
"""

from __future__ import annotations

from torch import Tensor, nn

from gan_lab.common.ranges import in_range
from gan_lab.networks.labelled import LabelledDiscriminator, LabelledNetwork
from gan_lab.networks.layers.head import LogitHead
from gan_lab.networks.output import DiscriminatorOutput


class MlpGenerator(LabelledNetwork):
    """z -> width -> width -> pixels with ReLU between and tanh at the end.

    Args:
        resolution: height and width of the images, any.
        channels: channels of the images, any.
        latent_dim: entries of z; the paper has 100.
        width: units of each of the two hidden layers, >= 1.
        labels: none or beside (they are more entries of z, arXiv:1411.1784).
        label_dim: number of the data's classes or attributes.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        latent_dim: int,
        width: int = 1200,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        super().__init__(labels, ways=("beside",), label_dim=label_dim)
        in_range("width", width, low=1)
        self.layers = nn.Sequential(
            _linear(latent_dim + self.beside_dim, width, bound=0.05),
            nn.ReLU(),
            _linear(width, width, bound=0.05),
            nn.ReLU(),
            _linear(width, channels * resolution**2, bound=0.05),
            nn.Tanh(),
            nn.Unflatten(1, (channels, resolution, resolution)),
        )

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map z (N, latent_dim) to images (N, channels, resolution, resolution) in [-1, 1]."""
        return self.layers(self.beside(z, labels))


class MlpDiscriminator(LabelledDiscriminator):
    """pixels -> maxout -> maxout -> logit, with dropout before each layer.

    Args:
        resolution: height and width of the images, any.
        channels: channels of the images, any.
        width: units of each of the two maxout layers, >= 1.
        pieces: linear functions each unit takes the maximum of, >= 1.
        dropout: chance that a hidden unit is dropped, [0, 1).
        input_dropout: chance that a pixel is dropped (set to 0, mid-grey), [0, 1).
        labels: none, beside (they are more pixels, arXiv:1411.1784) or projection
            (arXiv:1802.05637, eq. 3).
        label_dim: number of the data's classes or attributes.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        width: int = 240,
        pieces: int = 5,
        dropout: float = 0.5,
        input_dropout: float = 0.2,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        super().__init__(labels, label_dim=label_dim, feature_dim=width)
        in_range("width", width, low=1)
        in_range("pieces", pieces, low=1)
        in_range("dropout", dropout, low=0, below=1)
        in_range("input_dropout", input_dropout, low=0, below=1)
        self.body = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(input_dropout),
            Maxout(channels * resolution**2 + self.beside_dim, width, pieces=pieces),
            nn.Dropout(dropout),
            Maxout(width, width, pieces=pieces),
        )
        self.dropout = nn.Dropout(dropout)
        self.head = LogitHead(width, self.label_dim_if("projection"))
        for layer in self.head.linears():
            _init(layer, bound=0.005)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Judge images (N, channels, resolution, resolution); features are (N, width)."""
        features = self.body(self.beside(images, labels, flat=True))
        return DiscriminatorOutput(self.head(self.dropout(features), labels), features)


class Maxout(nn.Module):
    """The maximum of several linear functions: Maxout Networks, arXiv:1302.4389, section 3.

    Maps (N, inputs) to (N, units): h_i = max_j (x W_ij + b_ij), j = 1 ... pieces.
    """

    def __init__(self, inputs: int, units: int, *, pieces: int) -> None:
        super().__init__()
        self.linear = _linear(inputs, units * pieces, bound=0.005)
        self.split = nn.Unflatten(1, (units, pieces))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs) to (N, units)."""
        return self.split(self.linear(x)).amax(dim=2)


def _linear(inputs: int, outputs: int, *, bound: float) -> nn.Linear:
    """Build a linear layer with weights U(-bound, bound) and biases 0."""
    return _init(nn.Linear(inputs, outputs), bound=bound)


def _init(layer: nn.Linear, *, bound: float) -> nn.Linear:
    """Draw weights U(-bound, bound), pylearn2's `irange`, and biases 0."""
    nn.init.uniform_(layer.weight, -bound, bound)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
