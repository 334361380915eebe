"""The pulling-away term: fakes of a batch shall differ in their features."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gan_lab.auxiliary.term import Auxiliary, Play, features_of, products
from gan_lab.common.scalars import Scalar


class PullingAway(Auxiliary):
    """The mean squared cosine between features of different fakes: EBGAN, arXiv:1609.03126, eq. 4.

    A term of the generator. The mean is over the pairs of a micro-batch, so it changes with `accumulate`; a single
    image has no pair, and none is 0.

    Args:
        weight: the generator's factor, >= 0, or a schedule.
    """

    def __init__(self, *, weight: Scalar = 0.1) -> None:
        super().__init__(weight=weight)

    def generator(self, play: Play) -> Tensor:
        """The mean over pairs, in [0, 1]."""
        features = F.normalize(features_of(play.on_fake).float(), dim=1)
        count = len(features)
        itself = torch.eye(count, dtype=torch.bool, device=features.device)
        squares = products(features, features).square().masked_fill(itself, 0)
        return squares.sum() / max(count * (count - 1), 1)
