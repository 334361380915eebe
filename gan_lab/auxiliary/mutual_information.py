"""InfoGAN: codes that can be read off the images.

The generator gets codes beside its noise; a head Q on the discriminator's features guesses them. The entropy of the
codes minus Q's mean surprise is a lower bound of the mutual information between codes and images, and both players
raise it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from gan_lab.auxiliary.term import Auxiliary, Head, Play, features_of
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar

LEAST_DEVIATION = 0.01  # of Q about a number, so that its likelihood is bounded


def category_bound(logits: Tensor, categories: Tensor) -> Tensor:
    """Lower bound of I(code; image) in nats for a uniform category: arXiv:1606.03657, eq. 5.

    log K + E[log Q(c | x)], Q the softmax of the logits (N, K), c the categories: (N,) or one-hot (N, K).
    """
    return math.log(logits.shape[1]) - F.cross_entropy(logits.float(), categories)


def number_bound(mean: Tensor, deviation: Tensor, numbers: Tensor) -> Tensor:
    """The same for a number uniform in [-1, 1], Q a normal distribution of this mean and deviation, all (N,)."""
    distance = (numbers.float() - mean.float()) / deviation.float()
    surprise = 0.5 * distance.square() + deviation.float().log() + 0.5 * math.log(2 * math.pi)
    return math.log(2) - surprise.mean()


class MutualInformation(Auxiliary):
    """Minus the bound of arXiv:1606.03657, eqs. 4 to 6, summed over codes, for both players.

    So the logged loss is minus the information in nats that Q finds. Numbers have a normal distribution under Q, whose
    mean and deviation are learnt.

    Args:
        feature_dim: entries of the discriminator's features.
        codes: by name the number of categories of a uniform code, or 1 for a number uniform in [-1, 1].
        discriminator_weight: the paper's lambda for the discriminator and Q, >= 0, or a schedule.
        generator_weight: the same for the generator.
        numbers: factor of the codes that are numbers, >= 0; the paper has it smaller than that of categories.
        width: units of Q's hidden layer, >= 1.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features", "codes"})

    def __init__(
        self,
        *,
        feature_dim: int,
        codes: Mapping[str, int],
        discriminator_weight: Scalar = 1.0,
        generator_weight: Scalar = 1.0,
        numbers: float = 0.1,
        width: int = 128,
    ) -> None:
        super().__init__(
            discriminator_weight=discriminator_weight, generator_weight=generator_weight
        )
        in_range("numbers", numbers, low=0)
        in_range("width", width, low=1)
        self.numbers = numbers
        self.categories = {name for name, size in codes.items() if size > 1}
        self.sizes = {name: size if size > 1 else 2 for name, size in codes.items()}
        self.hidden = Head(feature_dim, width)
        self.outputs = Head(width, sum(self.sizes.values()))

    def guesses(self, features: Tensor) -> dict[str, Tensor]:
        """What Q says of each code: logits (N, K) of a category, mean and raw deviation (N, 2) of a number."""
        said = self.outputs(F.leaky_relu(self.hidden(features), 0.1))
        return dict(zip(self.sizes, said.split(list(self.sizes.values()), dim=1), strict=True))

    def discriminator(self, play: Play) -> Tensor:
        """Minus the bound, for the discriminator and Q."""
        guesses = self.guesses(features_of(play.on_fake))
        terms = [self._bound(name, guess, play.codes[name]) for name, guess in guesses.items()]
        return -torch.stack(terms).sum()

    def generator(self, play: Play) -> Tensor:
        """Minus the bound, for the generator."""
        return self.discriminator(play)

    def _bound(self, name: str, guess: Tensor, code: Tensor) -> Tensor:
        if name in self.categories:
            return category_bound(guess, code)
        mean, deviation = guess[:, 0], softplus_from_one(guess[:, 1]) + LEAST_DEVIATION
        return self.numbers * number_bound(mean, deviation, code.reshape(-1))


def softplus_from_one(x: Tensor) -> Tensor:
    """A positive number, 1 at 0."""
    return F.softplus(x + math.log(math.e - 1))
