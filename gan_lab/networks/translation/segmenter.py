"""A U-Net that tells the class of each pixel, after arXiv:1505.04597."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from gan_lab.networks.translation.unet import UNetGenerator


class SegmentationGenerator(UNetGenerator):
    """The U-Net of pix2pix with logits in the place of colours: arXiv:1505.04597 in the form of arXiv:1611.07004.

    Args:
        resolution: side of the images, a power of 2 >= 4.
        channels: of the logits, one for each class.
        source_channels: of the images; None is as many.
        width: channels of the first layer, >= 1; each further one has twice as many, up to 8 times.
        depth: halvings, >= 2; None goes down to one place.
        dropout: of the decoder's three innermost layers, in [0, 1).
        norm: of planes: batch, instance or none.

    Raises:
        ConfigError: where the resolution cannot be halved so often.
    """

    gives_logits: ClassVar[bool] = True

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        source_channels: int | None = None,
        width: int = 32,
        depth: int | None = None,
        dropout: float = 0.0,
        norm: str = "batch",
    ) -> None:
        super().__init__(
            resolution=resolution, channels=channels, source_channels=source_channels, width=width, depth=depth,
            dropout=dropout, norm=norm,
        )  # fmt: skip
        self.last = nn.Sequential(*(one for one in self.last if not isinstance(one, nn.Tanh)))

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, source_channels, H, W) in [-1, 1] to logits (N, channels, H, W), unbounded."""
        return super().forward(images)
