"""ContraGAN: images of one class lie close together, and close to their class."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_lab.auxiliary.embedded import Embedded
from gan_lab.auxiliary.term import products
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar


def conditional_contrast(
    images: Tensor, anchors: Tensor, classes: Tensor, *, temperature: float
) -> Tensor:
    """The 2C loss: ContraGAN, arXiv:2006.12681, eq. 8.

    The mean over i of -log of (own anchor + images of the same class) / (own anchor + all images), where each stands
    for exp(its inner product with image i / temperature) and image i itself is left out.

    Args:
        images: embedded images of length 1, shape (N, D).
        anchors: the embedded class of each, of length 1, shape (N, D).
        classes: int64 (N,).
        temperature: > 0.

    Returns:
        Shape (), float32, >= 0.
    """
    own = (images.float() * anchors.float()).sum(dim=1, keepdim=True) / temperature
    itself = torch.eye(len(images), dtype=torch.bool, device=images.device)
    others = (products(images, images) / temperature).masked_fill(itself, -torch.inf)
    same = others.masked_fill(classes[:, None] != classes[None, :], -torch.inf)
    attracted = torch.cat([own, same], dim=1).logsumexp(dim=1)
    everything = torch.cat([own, others], dim=1).logsumexp(dim=1)
    return (everything - attracted).mean()


class ConditionalContrast(Embedded):
    """`conditional_contrast` on reals for the discriminator and on fakes for the generator: algorithm 1.

    Args:
        feature_dim: entries of the discriminator's features.
        label_dim: number of classes.
        discriminator_weight: the paper's lambda for the discriminator, >= 0, or a schedule.
        generator_weight: the same for the generator.
        dim: entries of an embedded image or class, >= 1.
        temperature: how far apart similarities are held, > 0; the paper has 1.
    """

    def __init__(
        self,
        *,
        feature_dim: int,
        label_dim: int,
        discriminator_weight: Scalar = 1.0,
        generator_weight: Scalar = 1.0,
        dim: int = 512,
        temperature: float = 1.0,
    ) -> None:
        super().__init__(
            feature_dim=feature_dim,
            label_dim=label_dim,
            dim=dim,
            discriminator_weight=discriminator_weight,
            generator_weight=generator_weight,
        )
        in_range("temperature", temperature, above=0)
        self.temperature = temperature

    def among(self, images: Tensor, anchors: Tensor, classes: Tensor) -> Tensor:
        """The 2C loss."""
        return conditional_contrast(images, anchors, classes, temperature=self.temperature)
