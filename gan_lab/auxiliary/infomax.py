"""InfoMax-GAN: the whole image knows its parts from those of other images."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from gan_lab.auxiliary.term import Auxiliary, Head, Judgement, Play, features_of, products
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar


def local_contrast(places: Tensor, wholes: Tensor) -> Tensor:
    """How badly each place is told to be its own image's: InfoMax-GAN, arXiv:2007.04589, section 3, in nats.

    The mean over images i and places p of -log of own / (own + others), where own = exp(whole i . place p of i) and
    others is the sum of exp(whole i . place) over all places of all other images, as in Deep InfoMax,
    arXiv:1808.06670. Its negative plus a constant bounds the mutual information of the two from below.

    Args:
        places: embedded local features, shape (N, P, D).
        wholes: embedded global features, shape (N, D).

    Returns:
        Shape (), float32, >= 0.
    """
    count, positions, _ = places.shape
    scores = products(wholes, places.flatten(0, 1)).view(count, count, positions)
    own = scores.diagonal(dim1=0, dim2=1).T
    itself = torch.eye(count, dtype=torch.bool, device=scores.device)
    others = scores.masked_fill(itself[:, :, None], -torch.inf).flatten(1).logsumexp(dim=1)
    return (torch.logaddexp(own, others[:, None]) - own).mean()


class InfoMax(Auxiliary):
    """`local_contrast` on reals for the discriminator and on fakes for the generator: arXiv:2007.04589, section 3.

    It keeps a discriminator from forgetting, and a generator from showing few things. The contrast is among the images
    of a micro-batch, so the term changes with `accumulate`. Discriminators of convolutions offer local features.

    Args:
        feature_dim: entries of the discriminator's features.
        local_dim: channels of its local features.
        discriminator_weight: the paper's alpha, >= 0, or a schedule.
        generator_weight: the paper's beta, >= 0, or a schedule.
        dim: entries of an embedded place or image, >= 1.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features", "local"})

    def __init__(
        self,
        *,
        feature_dim: int,
        local_dim: int,
        discriminator_weight: Scalar = 0.2,
        generator_weight: Scalar = 0.2,
        dim: int = 1024,
    ) -> None:
        super().__init__(
            discriminator_weight=discriminator_weight, generator_weight=generator_weight
        )
        in_range("dim", dim, low=1)
        self.of_places = Head(local_dim, dim)
        self.of_wholes = Head(feature_dim, dim)

    def discriminator(self, play: Play) -> Tensor:
        """The contrast among reals."""
        return self._contrast(play.on_real)

    def generator(self, play: Play) -> Tensor:
        """The contrast among fakes."""
        return self._contrast(play.on_fake)

    def _contrast(self, output: Judgement) -> Tensor:
        if output.local is None:
            raise ValueError(
                "this discriminator offers no local features for an auxiliary term to read"
            )
        places = self.of_places(output.local.flatten(2).transpose(1, 2))
        return local_contrast(places, self.of_wholes(features_of(output)))
