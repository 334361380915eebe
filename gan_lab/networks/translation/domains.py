"""The generator of StarGAN, arXiv:1711.09020, section 4.1 and appendix 7.2: one for all kinds of images."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from gan_lab.networks.translation.resnet import FIRST_NORM, TranslationGenerator


class DomainGenerator(nn.Module):
    """The residual translator, told by labels what to make: each label is one more plane beside the image.

    A plane is the same everywhere, and so is what a convolution with reflected borders makes of it. Instance
    normalisation would take it off again, and the network would be told nothing. So the first convolution has none
    behind it, and a rectifier comes first. The paper's has one, and is told by the zeros beside its images alone.

    Args:
        resolution: side of the images, a multiple of 2 to the power of the halvings.
        channels: of the images.
        label_dim: number of classes or attributes.
        width: channels of the first layer, >= 1.
        blocks: residual blocks, >= 0.
        halvings: >= 0.
        norm: of planes: instance, batch or none.

    Raises:
        ConfigError: where the resolution cannot be halved so often.
    """

    takes_labels: ClassVar[bool] = True

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        label_dim: int,
        width: int = 64,
        blocks: int = 6,
        halvings: int = 2,
        norm: str = "instance",
    ) -> None:
        super().__init__()
        self.translator = TranslationGenerator(
            resolution=resolution, channels=channels, source_channels=channels + label_dim,
            width=width, blocks=blocks, halvings=halvings, norm=norm,
        )  # fmt: skip
        self.translator.encoder[FIRST_NORM] = nn.Identity()
        self.multiple = 1 << halvings  # of sides that it takes

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Translate images into what labels say.

        Args:
            images: (N, C, H, W) in [-1, 1].
            labels: (N, label_dim), one-hot or any number of ones.

        Returns:
            Shape (N, C, H, W), in [-1, 1].
        """
        planes = labels.to(images.dtype)[:, :, None, None].expand(-1, -1, *images.shape[2:])
        return self.translator(torch.cat([images, planes], dim=1))
