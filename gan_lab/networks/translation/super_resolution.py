"""Generators that enlarge: the residual network of SRGAN, and the dense one of ESRGAN."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.networks.layers.planes import plane_norm

LITTLE = 0.1  # of its usual size: where the last convolution begins that is added to an interpolated image
SHARE = 0.2  # of a residual that is added: arXiv:1809.00219, section 3.1


def doubled(width: int) -> list[nn.Module]:
    """Twice the side, by a convolution whose channels become pixels: arXiv:1609.05158."""
    return [nn.Conv2d(width, 4 * width, 3, padding=1), nn.PixelShuffle(2), nn.PReLU()]


def doublings(scale: int) -> int:
    """How many doublings make a scale.

    Raises:
        ConfigError: if it is no power of 2.
    """
    in_range("scale", scale, low=1)
    times = scale.bit_length() - 1
    if 1 << times != scale:
        raise ConfigError(f"scale={scale}: enlarges by doubling; set 2, 4 or 8.")
    return times


class SRBlock(nn.Module):
    """x + F(x) of SRResNet, arXiv:1609.04802, figure 4.

    Args:
        width: channels.
        norm: of planes.
    """

    def __init__(self, width: int, norm: str) -> None:
        super().__init__()
        bias = norm == "none"  # a mean that is taken off again
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=bias), plane_norm(norm, width), nn.PReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=bias), plane_norm(norm, width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Map planes (N, width, H, W) to the same shape."""
        return x + self.layers(x)


class DenseBlock(nn.Module):
    """x + 0.2 F(x) of ESRGAN, arXiv:1809.00219, figure 4: five convolutions, each given all that came before it.

    Args:
        width: channels.
        growth: channels that each inner convolution adds.
    """

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.inner = nn.ModuleList(
            nn.Conv2d(width + at * growth, growth, 3, padding=1) for at in range(4)
        )
        self.last = nn.Conv2d(width + 4 * growth, width, 3, padding=1)
        self.act = nn.LeakyReLU(0.2)

    def forward(self, x: Tensor) -> Tensor:
        """Map planes (N, width, H, W) to the same shape."""
        seen = [x]
        for layer in self.inner:
            seen.append(self.act(layer(torch.cat(seen, dim=1))))
        return x + SHARE * self.last(torch.cat(seen, dim=1))


class ResidualInResidual(nn.Module):
    """x + 0.2 F(x), with three dense blocks inside: arXiv:1809.00219, figure 4.

    Args:
        width: channels.
        growth: of the dense blocks.
    """

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(DenseBlock(width, growth) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        """Map planes (N, width, H, W) to the same shape."""
        return x + SHARE * (self.layers(x) - x)


class SuperResolutionGenerator(nn.Module):
    """Small images to large ones: blocks at the small size, then doublings.

    Args:
        resolution: of the large images; it is not read, since any size is taken.
        channels: of the images.
        scale: how many times larger, a power of 2.
        kind: of blocks: residual (SRGAN) or dense (ESRGAN).
        blocks: >= 1.
        width: channels inside, >= 1.
        growth: channels that a dense block's convolutions add, >= 1.
        norm: of planes in residual blocks: batch, instance or none.
        interpolated: whether the network makes only what bicubic interpolation lacks, which is added to it; it then
            begins near the interpolated image (arXiv:1511.04587, section 3.2).
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        scale: int = 4,
        kind: str = "residual",
        blocks: int = 16,
        width: int = 64,
        growth: int = 32,
        norm: str = "batch",
        interpolated: bool = False,
    ) -> None:
        super().__init__()
        del resolution
        in_range("blocks", blocks, low=1)
        in_range("width", width, low=1)
        in_range("growth", growth, low=1)
        self.scale, self.multiple = scale, 1  # any side is taken
        kinds = {
            "residual": lambda: SRBlock(width, norm),
            "dense": lambda: ResidualInResidual(width, growth),
        }
        if kind not in kinds:
            raise ConfigError(f"kind={kind}: must be residual or dense.")
        self.first = nn.Sequential(nn.Conv2d(channels, width, 9, padding=4), nn.PReLU())
        self.blocks = nn.Sequential(
            *(kinds[kind]() for _ in range(blocks)), nn.Conv2d(width, width, 3, padding=1)
        )
        larger = [layer for _ in range(doublings(scale)) for layer in doubled(width)]
        last = nn.Conv2d(width, channels, 9, padding=4)
        self.last = nn.Sequential(*larger, last)
        self.interpolated = interpolated
        if interpolated:
            assert last.bias is not None, "it has one"
            with torch.no_grad():
                last.weight.mul_(LITTLE)
                last.bias.zero_()

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, h, w) in [-1, 1] to (N, C, scale h, scale w) in [-1, 1].

        In training, values of an interpolated image with what is added may lie beyond: no gradient passes a clamp, so
        what is once outside would stay there.
        """
        x = self.first(images)
        made = self.last(x + self.blocks(x))
        if not self.interpolated:
            return made.tanh()
        # Sides as whole numbers: an export with sides of any size cannot follow a factor.
        size = [self.scale * side for side in images.shape[2:]]
        enlarged = F.interpolate(images, size=size, mode="bicubic")
        made = made + enlarged
        return made if self.training else made.clamp(-1, 1)
