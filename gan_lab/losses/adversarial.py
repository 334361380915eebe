"""Adversarial losses on unbounded logits, functions first.

Every function takes logits of shape (N,), computes in float32 whatever comes in, and returns the
mean over the batch, shape (), float32, to be minimised. Higher logits mean more real.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus
from typing_extensions import override

from gan_lab.common.ranges import in_range


class Loss(ABC):
    """Both sides of an adversarial game.

    Attributes:
        needs_real: the generator's side reads the logits of reals too.
        lipschitz: the theory asks for a Lipschitz discriminator (a penalty or clipping).
        energy: the theory asks for logits that are minus an energy >= 0, as an autoencoder's error is.
        label_flipping: chance that the discriminator is told the wrong label of an image; the game draws it.
    """

    needs_real: ClassVar[bool] = False
    lipschitz: ClassVar[bool] = False
    energy: ClassVar[bool] = False
    label_flipping: float = 0.0

    @abstractmethod
    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return what the discriminator minimises, shape (), from logits of shape (N,)."""

    @abstractmethod
    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return what the generator minimises, shape (); real is read only where `needs_real`."""

    def encoder(self, real: Tensor) -> Tensor:
        """Return what an encoder minimises, shape (): the wish that reals, paired with its latents, look like fakes.

        It is the generator's wish for fakes with the signs of logits exchanged, as in arXiv:1605.09782, section 3.4.
        Losses with `needs_real` have it in `generator`.
        """
        return self.generator(-real)

    def notes(self, real: Tensor, fake: Tensor) -> Mapping[str, Tensor]:
        """Numbers of the discriminator's step by name, shape (), for the `commit` of a module that the loss owns."""
        del real, fake
        return {}

    def measures(self, real: Tensor, fake: Tensor) -> Mapping[str, Tensor]:
        """Numbers of the discriminator's step worth logging beside losses and logits, by name, shape ()."""
        del real, fake
        return {}


def flipped(real: Tensor, fake: Tensor, flips: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (N,) of reals and fakes, exchanged in the pairs where flips (N,) is true.

    Their labels are wrong then, with the same chance for reals and fakes. The noise keeps a discriminator from being
    sure: Towards Principled Methods for Training GANs, arXiv:1701.04862, has the like on images.
    """
    return torch.where(flips, fake, real), torch.where(flips, real, fake)


def cross_entropy_discriminator(
    real: Tensor, fake: Tensor, *, label_smoothing: float = 0.0
) -> Tensor:
    """Binary cross entropy of sigmoid(logits) with targets 1 - s for reals and 0 for fakes.

    Generative Adversarial Networks, arXiv:1406.2661, eq. 1, and one-sided label smoothing s of
    Improved Techniques for Training GANs, arXiv:1606.03498, section 3.4:
    E[softplus(-real) + s real] + E[softplus(fake)], which is -E[log D(x)] - E[log(1 - D(G(z)))]
    for s = 0.
    """
    real, fake = real.float(), fake.float()
    loss = softplus(-real).mean() + softplus(fake).mean()
    return loss + label_smoothing * real.mean() if label_smoothing else loss


def minimax_generator(fake: Tensor) -> Tensor:
    """E[log(1 - D(G(z)))] = -E[softplus(fake)]: arXiv:1406.2661, eq. 1; flat where D is sure."""
    return -softplus(fake.float()).mean()


def non_saturating_generator(fake: Tensor) -> Tensor:
    """-E[log D(G(z))] = E[softplus(-fake)]: arXiv:1406.2661, end of section 3."""
    return softplus(-fake.float()).mean()


def least_squares_discriminator(
    real: Tensor, fake: Tensor, *, a: float = 0.0, b: float = 1.0
) -> Tensor:
    """1/2 E[(real - b)^2] + 1/2 E[(fake - a)^2]: LSGAN, arXiv:1611.04076, eq. 2."""
    return 0.5 * ((real.float() - b).square().mean() + (fake.float() - a).square().mean())


def least_squares_generator(fake: Tensor, *, c: float = 1.0) -> Tensor:
    """1/2 E[(fake - c)^2]: LSGAN, arXiv:1611.04076, eq. 2."""
    return 0.5 * (fake.float() - c).square().mean()


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[fake] - E[real], minus the estimate of the distance: WGAN, arXiv:1701.07875, eq. 3."""
    return fake.float().mean() - real.float().mean()


def wasserstein_generator(fake: Tensor) -> Tensor:
    """-E[fake]: WGAN, arXiv:1701.07875, theorem 3."""
    return -fake.float().mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[max(0, 1 - real)] + E[max(0, 1 + fake)]: Geometric GAN, arXiv:1705.02894.

    The generator's side is `wasserstein_generator`, without a hinge.
    """
    return relu(1 - real.float()).mean() + relu(1 + fake.float()).mean()


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[softplus(-(real - fake))], real and fake paired by index: R3GAN, arXiv:2501.05441.

    The relativistic pairing GAN of arXiv:1807.00734 with f(t) = -log(1 + exp(-t)).
    """
    return softplus(fake.float() - real.float()).mean()


def relativistic_generator(fake: Tensor, real: Tensor) -> Tensor:
    """E[softplus(-(fake - real))]: the sides of `relativistic_discriminator` exchanged."""
    return softplus(real.float() - fake.float()).mean()


class Minimax(Loss):
    """Both players on the same value, which saturates for a weak generator.

    Args:
        label_smoothing: the discriminator's target for reals is 1 - label_smoothing, [0, 1).
        label_flipping: chance that the discriminator is told the wrong label of an image, [0, 0.5).
    """

    def __init__(self, *, label_smoothing: float = 0.0, label_flipping: float = 0.0) -> None:
        in_range("label_smoothing", label_smoothing, low=0, below=1)
        in_range("label_flipping", label_flipping, low=0, below=0.5)
        self.label_smoothing = label_smoothing
        self.label_flipping = label_flipping

    @override
    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return cross_entropy_discriminator(real, fake, label_smoothing=self.label_smoothing)

    @override
    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return minimax_generator(fake)


class NonSaturating(Minimax):
    """Cross entropy on both sides; the generator maximises log D instead. Also called logistic.

    Args:
        label_smoothing: the discriminator's target for reals is 1 - label_smoothing, [0, 1).
        label_flipping: chance that the discriminator is told the wrong label of an image, [0, 0.5).
    """

    @override
    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return non_saturating_generator(fake)


class LeastSquares(Loss):
    """Squared distances of the logits to targets.

    Args:
        a: the discriminator's target for fakes.
        b: the discriminator's target for reals.
        c: the generator's target for fakes. a, b, c = 0, 1, 1 is the paper's eq. 9 and
            -1, 1, 0 its eq. 8, the Pearson divergence.
        label_smoothing: s of [0, 1) moves the target for reals to (1 - s) b + s a.
        label_flipping: chance that the discriminator is told the wrong label of an image, [0, 0.5).
    """

    def __init__(
        self,
        *,
        a: float = 0.0,
        b: float = 1.0,
        c: float = 1.0,
        label_smoothing: float = 0.0,
        label_flipping: float = 0.0,
    ) -> None:
        in_range("label_smoothing", label_smoothing, low=0, below=1)
        in_range("label_flipping", label_flipping, low=0, below=0.5)
        self.a = a
        self.b = b
        self.c = c
        self.label_smoothing = label_smoothing
        self.label_flipping = label_flipping

    @override
    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        b = (1 - self.label_smoothing) * self.b + self.label_smoothing * self.a
        return least_squares_discriminator(real, fake, a=self.a, b=b)

    @override
    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return least_squares_generator(fake, c=self.c)

    @override
    def encoder(self, real: Tensor) -> Tensor:
        """Squared distance to the generator's target mirrored between those of fakes and reals, a + b - c."""
        return least_squares_generator(real, c=self.a + self.b - self.c)


class Wasserstein(Loss):
    """The dual form of the Wasserstein-1 distance, which asks for a 1-Lipschitz discriminator."""

    lipschitz = True

    @override
    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return wasserstein_discriminator(real, fake)

    @override
    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return wasserstein_generator(fake)


class Hinge(Loss):
    """The hinge loss of a maximal margin, as SNGAN and its successors use it."""

    @override
    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return hinge_discriminator(real, fake)

    @override
    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return wasserstein_generator(fake)


class Relativistic(Loss):
    """Each fake against the real of the same index, on both sides."""

    needs_real = True

    @override
    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return relativistic_discriminator(real, fake)

    @override
    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        if real is None:
            raise ValueError("the relativistic loss compares fakes with reals: pass real's logits")
        return relativistic_generator(fake, real)
