"""ReACGAN: a cross entropy between an image, its class and the images of other classes."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_lab.auxiliary.embedded import Embedded
from gan_lab.auxiliary.term import products
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar


def data_to_data_cross_entropy(
    images: Tensor,
    proxies: Tensor,
    classes: Tensor,
    *,
    temperature: float,
    positive: float,
    negative: float,
) -> Tensor:
    """The D2D-CE loss: Rebooting ACGAN, arXiv:2111.01118, eqs. 6 to 9.

    The mean over i of -log of p / (p + the sum over images j of other classes of n_j), where
    p = exp(min(image i . proxy i - positive, 0) / temperature) and
    n_j = exp(max(image i . image j - negative, 0) / temperature). So pairs that are easy by a margin pull no more.

    Args:
        images: embedded images of length 1, shape (N, D).
        proxies: the weight of each image's class, of length 1, shape (N, D).
        classes: int64 (N,).
        temperature: > 0.
        positive: the margin of an image and its class, in [-1, 1].
        negative: the margin of images of different classes, in [-1, 1].

    Returns:
        Shape (), float32, >= 0.
    """
    near = (images.float() * proxies.float()).sum(dim=1, keepdim=True)
    near = (near - positive).clamp(max=0) / temperature
    apart = (products(images, images) - negative).clamp(min=0) / temperature
    apart = apart.masked_fill(classes[:, None] == classes[None, :], -torch.inf)
    return (torch.cat([near, apart], dim=1).logsumexp(dim=1) - near[:, 0]).mean()


class DataToDataCrossEntropy(Embedded):
    """`data_to_data_cross_entropy` on reals for the discriminator and on fakes for the generator.

    Features and the classes' weights have length 1, so that neither can grow without bound.

    Args:
        feature_dim: entries of the discriminator's features.
        label_dim: number of classes.
        discriminator_weight: the paper's lambda for the discriminator, >= 0, or a schedule.
        generator_weight: the same for the generator.
        dim: entries of an embedded image, >= 1.
        temperature: > 0.
        positive: no pull towards the class from this similarity on, in [-1, 1].
        negative: no push from other classes up to this similarity, in [-1, 1].
    """

    def __init__(
        self,
        *,
        feature_dim: int,
        label_dim: int,
        discriminator_weight: Scalar = 1.0,
        generator_weight: Scalar = 1.0,
        dim: int = 512,
        temperature: float = 0.5,
        positive: float = 0.98,
        negative: float = 0.02,
    ) -> None:
        super().__init__(
            feature_dim=feature_dim,
            label_dim=label_dim,
            dim=dim,
            discriminator_weight=discriminator_weight,
            generator_weight=generator_weight,
        )
        in_range("temperature", temperature, above=0)
        in_range("positive", positive, low=-1, high=1)
        in_range("negative", negative, low=-1, high=1)
        self.margins = {"temperature": temperature, "positive": positive, "negative": negative}

    def among(self, images: Tensor, anchors: Tensor, classes: Tensor) -> Tensor:
        """The D2D-CE loss."""
        return data_to_data_cross_entropy(images, anchors, classes, **self.margins)
