"""Losses of discriminators that judge by an energy: minus the logit, >= 0, low where an image looks real.

An autoencoder is such a discriminator, its energy the error of reconstruction. Functions first; each takes logits of
shape (N,), computes in float32 and returns the mean over the batch, shape (), to be minimised.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import relu
from typing_extensions import override

from gan_lab.common.ranges import in_range
from gan_lab.losses.adversarial import Loss, wasserstein_generator


def energy_discriminator(real: Tensor, fake: Tensor, *, margin: float) -> Tensor:
    """E[energy of reals] + E[max(0, margin - energy of fakes)]: EBGAN, arXiv:1609.03126, eq. 1.

    The generator's side, E[energy of fakes] of eq. 2, is `wasserstein_generator`.
    """
    return relu(margin + fake.float()).mean() - real.float().mean()


class Energy(Loss):
    """Energy-based GAN: fakes are pushed away up to a margin of energy.

    Args:
        margin: in units of the energy, > 0; fakes of more energy push the discriminator no further.
    """

    energy = True

    def __init__(self, *, margin: float = 1.0) -> None:
        in_range("margin", margin, above=0)
        self.margin = margin

    @override
    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return energy_discriminator(real, fake, margin=self.margin)

    @override
    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return wasserstein_generator(fake)
