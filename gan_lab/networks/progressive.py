"""Progressive GAN's networks, for any power-of-two resolution from 16 to 256, and every one below it from 4.

Progressive Growing of GANs, arXiv:1710.10196, table 2 and appendix A. Both networks have a level for each resolution.
The finest has `width` channels, and each coarser one twice as many up to `max_width`. They judge and make images of
any level's side; called without a side the generator makes images of the last.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.common.ranges import in_range
from gan_lab.networks.labelled import LabelledDiscriminator, LabelledNetwork
from gan_lab.networks.layers.equalised import (
    ROOT_TWO,
    EqualisedConv2d,
    EqualisedHead,
    EqualisedLinear,
    leaky,
    unit_length,
)
from gan_lab.networks.layers.growing import Alpha, doubled, grown, judged, level_of
from gan_lab.networks.layers.minibatch import MinibatchDeviation
from gan_lab.networks.layers.resolution import widths
from gan_lab.networks.output import DiscriminatorOutput


class GrowingLevel(nn.Module):
    """Each pixel four times, and twice a 3x3 convolution, leaky ReLU and pixel norm.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = EqualisedConv2d(inputs, outputs, 3, gain=ROOT_TWO)
        self.conv2 = EqualisedConv2d(outputs, outputs, 3, gain=ROOT_TWO)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, 2 H, 2 W)."""
        x = unit_length(leaky(self.conv1(doubled(x))))
        return unit_length(leaky(self.conv2(x)))


class FirstLevel(nn.Module):
    """Latents to features at 4x4 px.

    Args:
        inputs: numbers of a latent and its labels.
        outputs: channels that go out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        # The gain of the authors' code, which keeps this layer's rate like that of the others.
        self.linear = EqualisedLinear(inputs, outputs * 16, gain=ROOT_TWO / 4)
        self.conv = EqualisedConv2d(outputs, outputs, 3, gain=ROOT_TWO)

    def forward(self, z: Tensor) -> Tensor:
        """Map (N, inputs) to (N, outputs, 4, 4)."""
        x = unit_length(leaky(self.linear(unit_length(z)).unflatten(1, (-1, 4, 4))))
        return unit_length(leaky(self.conv(x)))


class ProgressiveGenerator(LabelledNetwork):
    """A first level at 4x4 px, and one for each doubling; colours are a 1x1 convolution of any level.

    Args:
        resolution: 16, 32, 64, 128, 256 or 512, of the last level.
        channels: channels of the images, any.
        latent_dim: entries of z; the paper has 512.
        width: channels of the finest level, >= 1.
        max_width: most channels of any level, >= width.
        labels: none or beside (they are more entries of z, arXiv:1411.1784).
        label_dim: number of the data's classes or attributes.
    """

    grows = True

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        latent_dim: int,
        width: int = 64,
        max_width: int = 512,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        super().__init__(labels, ways=("beside",), label_dim=label_dim)
        sizes = widths(resolution, width=width, max_width=max_width, family="progressive")
        self.levels = nn.ModuleList([FirstLevel(latent_dim + self.beside_dim, sizes[0])])
        self.levels.extend(GrowingLevel(coarse, fine) for coarse, fine in pairwise(sizes))
        self.colours = nn.ModuleList(EqualisedConv2d(size, channels, 1) for size in sizes)
        self.resolution = resolution

    def forward(
        self,
        z: Tensor,
        labels: Tensor | None = None,
        *,
        side: int | None = None,
        alpha: Alpha | None = None,
    ) -> Tensor:
        """Map z (N, latent_dim) and labels (N, label_dim) to images (N, channels, side, side).

        Args:
            z: latents.
            labels: where this generator takes them.
            side: of the images; None is the last level's.
            alpha: how far that side's level is faded in; None is wholly.

        Returns:
            Not bounded, as in the paper; games cut samples off at -1 and 1.
        """
        z, level = self.beside(z, labels), level_of(side or self.resolution)
        return grown(z, list(self.levels), list(self.colours), level=level, alpha=alpha)


class JudgingLevel(nn.Module):
    """Two 3x3 convolutions with leaky ReLU, and the mean of each 2x2 pixels.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = EqualisedConv2d(inputs, inputs, 3, gain=ROOT_TWO)
        self.conv2 = EqualisedConv2d(inputs, outputs, 3, gain=ROOT_TWO)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / 2, W / 2)."""
        return F.avg_pool2d(leaky(self.conv2(leaky(self.conv1(x)))), 2)


class ProgressiveDiscriminator(LabelledDiscriminator):
    """Levels that halve down to 4x4, the deviation of the batch, a convolution, a linear layer and the logit.

    Args:
        resolution: 16, 32, 64, 128, 256 or 512, of the finest level.
        channels: channels of the images, any.
        width: channels of the finest level, >= 1.
        max_width: most channels of any level, >= width.
        group: images whose deviation is shown to the last layers, >= 1; 1 leaves it out.
        labels: none, beside (they are more planes of the image, arXiv:1411.1784) or projection
            (arXiv:1802.05637, eq. 3).
        label_dim: number of the data's classes or attributes.
    """

    grows = True

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        width: int = 64,
        max_width: int = 512,
        group: int = 4,
        labels: str = "none",
        label_dim: int | None = None,
    ) -> None:
        sizes = widths(resolution, width=width, max_width=max_width, family="progressive")
        last = sizes[0]
        super().__init__(labels, label_dim=label_dim, feature_dim=last, local_dim=last)
        in_range("group", group, low=1)
        planes = channels + self.beside_dim
        self.colours = nn.ModuleList(
            EqualisedConv2d(planes, size, 1, gain=ROOT_TWO) for size in sizes
        )
        self.levels = nn.ModuleList(JudgingLevel(fine, coarse) for coarse, fine in pairwise(sizes))
        self.deviation = MinibatchDeviation(group=group) if group > 1 else nn.Identity()
        self.conv = EqualisedConv2d(last + (group > 1), last, 3, gain=ROOT_TWO)
        self.linear = EqualisedLinear(last * 16, last, gain=ROOT_TWO)
        self.head = EqualisedHead(last, self.label_dim_if("projection"))

    def forward(
        self, images: Tensor, labels: Tensor | None = None, *, alpha: Alpha | None = None
    ) -> DiscriminatorOutput:
        """Judge images (N, channels, side, side) of any level's side.

        Args:
            images: the levels above their side rest.
            labels: where this discriminator takes them.
            alpha: how far the level of their side is faded in; None is wholly.

        Returns:
            Logits; features (N, F); local features of 4x4 places.
        """
        images = self.beside(images, labels)
        colours = [partial(_seen, layer) for layer in self.colours]
        x = judged(images, list(self.levels), colours, alpha=alpha)
        places = leaky(self.conv(self.deviation(x)))
        features = leaky(self.linear(places.flatten(1)))
        return DiscriminatorOutput(self.head(features, labels), features, x)


def _seen(layer: nn.Module, images: Tensor) -> Tensor:
    return leaky(layer(images))
