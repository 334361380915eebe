"""Minibatch discrimination: a discriminator that sees how near an image is to the others of its batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_lab.auxiliary.term import Auxiliary, Head, Judgement, features_of
from gan_lab.common.ranges import in_range


class MinibatchDiscrimination(Auxiliary):
    """Adds to each logit a linear function of the image's nearness to others: arXiv:1606.03498, section 3.2.

    M_i = f(x_i) T is a matrix of `kernels` rows. Nearness in row b is o_b(x_i) = sum over j != i of
    exp(-|M_ib - M_jb|), with the sum of absolute differences. The paper puts o beside the features in front of the last
    layer, which is the same. Reals and fakes are compared among themselves, within a micro-batch.

    Args:
        feature_dim: entries of the discriminator's features.
        kernels: rows of M, >= 1; the authors' code has 100.
        kernel_dim: entries of a row, >= 1; likewise 5.
    """

    def __init__(self, *, feature_dim: int, kernels: int = 100, kernel_dim: int = 5) -> None:
        super().__init__()
        in_range("kernels", kernels, low=1)
        in_range("kernel_dim", kernel_dim, low=1)
        self.rows = nn.Unflatten(1, (kernels, kernel_dim))
        self.project = nn.Linear(feature_dim, kernels * kernel_dim, bias=False)
        nn.init.normal_(self.project.weight, std=feature_dim**-0.5)
        self.head = Head(kernels, 1, bias=False)

    def judge(self, output: Judgement) -> Tensor:
        """Logits (N,) with the share of nearness added; of patches (N, P), to each the same."""
        share = self.head(self.nearness(features_of(output)))
        return output.logits + (share if output.logits.ndim > 1 else share[:, 0])

    def nearness(self, features: Tensor) -> Tensor:
        """o(x), shape (N, kernels), float32, of features (N, F)."""
        with torch.autocast(features.device.type, enabled=False):
            rows = self.rows(self.project(features.to(self.project.weight.dtype)))
            distances = (rows[:, None] - rows[None]).abs().sum(dim=3)
            return (-distances).exp().sum(dim=1) - 1  # an image is at no distance from itself
