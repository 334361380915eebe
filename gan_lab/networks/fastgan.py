"""FastGAN: a light generator whose fine layers are gated by coarse ones, for few images.

Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image Synthesis, arXiv:2101.04775, section 3. The
discriminator has one path; the paper adds a small one for coarse images. Its decoders are auxiliary=[reconstruction].
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.common.ranges import in_range
from gan_lab.networks.labelled import LabelledDiscriminator, LabelledNetwork
from gan_lab.networks.layers.head import LogitHead
from gan_lab.networks.layers.resolution import doublings
from gan_lab.networks.layers.spectral import normalise_spectrally
from gan_lab.networks.output import DiscriminatorOutput

SLOPE = 0.1  # of leaky ReLUs in excitations
SMALL = 8  # px of the discriminator's last layer


class SkipLayerExcitation(nn.Module):
    """Fine planes times a gate for each channel, made of coarse planes: arXiv:2101.04775, section 3.1, eq. 1.

    The coarse planes are pooled to 4x4, and 4x4 and 1x1 convolutions with a leaky ReLU between and a sigmoid behind
    make the gates.

    Args:
        coarse: channels of the coarse planes.
        fine: channels of the fine ones.
    """

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.gates = nn.Sequential(
            nn.AdaptiveAvgPool2d(4), nn.Conv2d(coarse, fine, 4, bias=False), nn.LeakyReLU(SLOPE),
            nn.Conv2d(fine, fine, 1, bias=False), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Map (N, coarse, h, w) and (N, fine, H, W) to (N, fine, H, W)."""
        return fine * self.gates(coarse)


class FastganGenerator(LabelledNetwork):
    """z to 4x4; at each doubling a 3x3 convolution, batch norm and gated units; excitations over `skip` doublings.

    Args:
        resolution: 16, 32, 64, 128, 256 or 512.
        channels: channels of the images, any.
        latent_dim: entries of z; the paper has 256.
        width: channels at 64 px, >= 1; twice as many for each halving below, half for each doubling above.
        max_width: most channels, >= 1; None is 16 width.
        skip: doublings between the two ends of an excitation, >= 1; as many as there are where images are smaller.
        spectral_norm: divide each weight by its spectral norm, arXiv:1802.05957.
        labels: none, or beside: more entries of z.
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
        skip: int = 4,
        spectral_norm: bool = True,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        super().__init__(labels, ways=("beside",), label_dim=label_dim)
        in_range("width", width, low=1)
        in_range("skip", skip, low=1)
        levels = doublings(resolution, "fastgan")
        most = 16 * width if max_width is None else max_width
        in_range("max_width", most, low=1)
        widths = [min(max(width * 16 // 2**level, 1), most) for level in range(levels + 1)]
        self.skip = min(skip, levels)
        self.first = nn.Sequential(
            nn.ConvTranspose2d(latent_dim + self.beside_dim, 2 * widths[0], 4, bias=False),
            nn.BatchNorm2d(2 * widths[0]),
            nn.GLU(1),
        )
        self.ups = nn.ModuleList(
            nn.Sequential(
                nn.Upsample(scale_factor=2), nn.Conv2d(before, 2 * now, 3, padding=1, bias=False),
                nn.BatchNorm2d(2 * now), nn.GLU(1),
            )
            for before, now in pairwise(widths)
        )  # fmt: skip
        self.excitations = nn.ModuleList(
            SkipLayerExcitation(coarse, fine)
            for coarse, fine in zip(widths, widths[self.skip :], strict=False)
        )
        self.pixels = nn.Sequential(nn.Conv2d(widths[-1], channels, 3, padding=1), nn.Tanh())
        if spectral_norm:
            normalise_spectrally(self)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map z (N, latent_dim) to images (N, channels, resolution, resolution) in [-1, 1]."""
        planes = [self.first(self.beside(z, labels)[:, :, None, None])]
        for level, up in enumerate(self.ups, start=1):
            h = up(planes[-1])
            if level >= self.skip:
                h = self.excitations[level - self.skip](planes[level - self.skip], h)
            planes.append(h)
        return self.pixels(planes[-1])


class DownBlock(nn.Module):
    """The mean of two halvings: a strided 4x4 and a 3x3 convolution; and the mean of 2x2 pixels with a 1x1 one.

    Args:
        inputs: channels that come in.
        width: channels that go out.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.convolved = nn.Sequential(
            nn.Conv2d(inputs, width, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.pooled = nn.Sequential(
            nn.AvgPool2d(2), nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width), nn.LeakyReLU(0.2)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, width, H / 2, W / 2)."""
        return 0.5 * (self.convolved(x) + self.pooled(x))


class FastganDiscriminator(LabelledDiscriminator):
    """Blocks of two paths that halve down to 8x8, whose places decoders can read; a 4x4 convolution and a logit.

    Args:
        resolution: 16, 32, 64, 128, 256 or 512.
        channels: channels of the images, any.
        width: channels at the images' size, >= 1; twice as many for each halving.
        max_width: most channels, >= 1; None is 8 width.
        spectral_norm: divide each weight by its spectral norm, arXiv:1802.05957.
        labels: none, beside (they are more planes of the image) or projection (arXiv:1802.05637, eq. 3).
        label_dim: number of the data's classes or attributes.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        width: int = 64,
        max_width: int | None = None,
        spectral_norm: bool = True,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        in_range("width", width, low=1)
        most = 8 * width if max_width is None else max_width
        in_range("max_width", most, low=1)
        halvings = doublings(resolution, "fastgan") - 1
        widths = [min(width * 2**level, most) for level in range(halvings + 1)]
        super().__init__(labels, label_dim=label_dim, feature_dim=widths[-1], local_dim=widths[-1])
        first = nn.Conv2d(channels + self.beside_dim, widths[0], 3, padding=1, bias=False)
        blocks = [DownBlock(i, o) for i, o in pairwise(widths)]
        self.body = nn.Sequential(first, nn.LeakyReLU(0.2), *blocks)
        self.joined = nn.Conv2d(widths[-1], widths[-1], 4, bias=False)
        self.head = LogitHead(widths[-1], self.label_dim_if("projection"))
        if spectral_norm:
            normalise_spectrally(self)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Judge images (N, channels, H, W); features are (N, F), local those of 8x8 places."""
        places = self.body(self.beside(images, labels))
        features = F.leaky_relu(self.joined(places), 0.2).mean(dim=(2, 3))
        return DiscriminatorOutput(self.head(features, labels), features, places)
